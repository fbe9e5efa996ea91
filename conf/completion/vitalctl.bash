# bash completion for vitalctl: commands, options, and the names that the running daemon knows

_vitalctl_names() {
    local socket=() i
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        [[ ${COMP_WORDS[i]} == --socket || ${COMP_WORDS[i]} == -s ]] && socket=(--socket "${COMP_WORDS[i + 1]}")
    done
    vitalctl "${socket[@]}" status -o json 2>/dev/null | grep -oE '\{"name":"[a-z0-9][a-z0-9_-]*","(type|verdict)"' | cut -d'"' -f4 | sort -u
}

_vitalctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command="" i words=""
    local commands="status explain wait check drain undrain pause maintenance force resume run beat notify reload stop events stats version help"
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket | -s | --url | -u | --output | -o | --color | --for | --timeout | -t | --until | --wait | --since | --last | -n) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $prev in
    --socket | -s) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --output | -o) [[ $command == check ]] && words="text nagios" || words="text json" ;;
    --color) words="auto always never" ;;
    --until) words="pass fail" ;;
    --for | --timeout | -t | --wait) words="5s 10s 30s 1m 5m 1h" ;;
    --url | -u) words="http://127.0.0.1:8686" ;;
    --since | --last | -n) return ;;
    esac
    if [[ -z $words ]]; then
        case $command in
        "") words="$commands --socket --help --version" ;;
        help) words=$commands ;;
        status) words="--socket --url --output --color --watch $(_vitalctl_names)" ;;
        explain) words="--socket --url --color --watch $(_vitalctl_names)" ;;
        wait) words="--socket --url --for --timeout --until --quiet $(_vitalctl_names)" ;;
        check) words="--socket --url --output --timeout --quiet $(_vitalctl_names)" ;;
        drain) words="--socket --wait" ;;
        pause | maintenance) words="--socket --for $(_vitalctl_names)" ;;
        force) words="--socket --for up degraded down $(_vitalctl_names)" ;;
        resume | beat) words="--socket $(_vitalctl_names)" ;;
        run) words="--socket --timeout $(_vitalctl_names)" ;;
        notify) words="test --socket --timeout" ;;
        reload) words="--socket --timeout" ;;
        events) words="--socket --output --color --since --last --follow" ;;
        *) words="--socket" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _vitalctl vitalctl

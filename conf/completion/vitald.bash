# bash completion for vitald

_vitald() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    [[ $prev == "=" ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $cur == "=" ]] && { prev=${COMP_WORDS[COMP_CWORD - 1]}; cur=""; }
    COMPREPLY=()
    case $prev in
    -c | --config | --env-file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    --modules) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    --dump-options) mapfile -t COMPREPLY < <(compgen -W "yaml schema man" -- "$cur") ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur") ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W "error warning notice info debug" -- "$cur") ;;
    --until) mapfile -t COMPREPLY < <(compgen -W "ready live startup health" -- "$cur") ;;
    --timeout) mapfile -t COMPREPLY < <(compgen -W "30s 60s 5m" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "-c --config --env-file --check-config --dump-config --dump-options --list-modules --once \
        --until --timeout --log-format --log-level --modules --help --version" -- "$cur") ;;
    esac
}
complete -F _vitald vitald

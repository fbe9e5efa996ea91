#include "unit.h"

#include "base/ctlproto.h"

TEST(verbs_that_change_something_are_known)
{
    CHECK(ctl_verb_changes(CTL_VERB_COUNT) == false);
    unsigned changing = 0;
    for (unsigned v = 0; v < CTL_VERB_COUNT; v++) {
        const char *text = ctl_verb_text(v);
        bool asks = !strcmp(text, "status") || !strcmp(text, "explain") || !strcmp(text, "events") || !strcmp(text, "ping") || !strcmp(text, "check");
        changing += ctl_verb_changes(v);
        CHECK(!asks || !ctl_verb_changes(v));
    }
    CHECK(changing > 3);
}

TEST(the_usual_places)
{
    char room[CTL_PATH_MAX];
    unsetenv("XDG_RUNTIME_DIR");
    CHECK(ctl_default_path(0, room));
    CHECK_TEXT(room, "/run/vitald/control.sock");
    CHECK(!ctl_default_path(1, room));
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    CHECK(!ctl_default_path(1, room));
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    CHECK(ctl_default_path(1, room));
    CHECK_TEXT(room, "/run/user/7/vitald/control.sock");
    CHECK(!ctl_default_path(2, room));
}

TEST(a_place_that_is_too_long_is_none)
{
    char room[CTL_PATH_MAX], deep[CTL_PATH_MAX + 1];
    memset(deep, 'x', sizeof deep - 1);
    deep[0] = '/';
    deep[sizeof deep - 1] = '\0';
    setenv("XDG_RUNTIME_DIR", deep, 1);
    CHECK(!ctl_default_path(1, room));
    CHECK(!ctl_beat_path(deep, room));
    deep[CTL_PATH_MAX - sizeof "/control.sock"] = '\0';        /* with this end there is just room for it, and so for the shorter one */
    strcat(deep, "/control.sock");
    CHECK(ctl_beat_path(deep, room));
    CHECK_TEXT(room + strlen(room) - 11, "x/beat.sock");
}

TEST(beats_go_beside_the_control_socket)
{
    char room[CTL_PATH_MAX];
    CHECK(ctl_beat_path("/run/vitald/control.sock", room));
    CHECK_TEXT(room, "/run/vitald/beat.sock");
    CHECK(ctl_beat_path("/tmp/c.sock", room));
    CHECK_TEXT(room, "/tmp/c.sock.beat");
    CHECK(ctl_beat_path("/control.sock", room));               /* nothing before it */
    CHECK_TEXT(room, "/control.sock.beat");
}

TEST(codes_have_words)
{
    for (unsigned i = 0; i < CTL_CODE_COUNT; i++)
        CHECK_INT(ctl_code_from(ctl_code_text(i)), i);
    CHECK_TEXT(ctl_code_text(CTL_CODE_COUNT), "?");
    CHECK_INT(ctl_code_from("nonsense"), -1);
    for (unsigned i = 0; i < CTL_VERB_COUNT; i++)
        CHECK_INT(ctl_verb_from(ctl_verb_text(i)), i);
    CHECK_TEXT(ctl_verb_text(CTL_VERB_COUNT), "?");
    CHECK_INT(ctl_verb_from(""), -1);
}

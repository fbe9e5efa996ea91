/* The small parts of the core that are pure: names, cut texts, standstills, the state file's bytes. */
#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/outcome.h"
#include "core/probe.h"
#include "core/stall.h"
#include "core/state_bytes.h"
#include "core/text.h"

TEST(a_full_neighbourhood_is_searched_to_its_end)
{
    char names[5][8];
    unsigned found = 0;
    for (unsigned n = 0; found < 5; n++) { /* all of them want the even places */
        snprintf(names[found], sizeof names[found], "n%u", n);
        found += !(index_hash(names[found], strlen(names[found])) & 1);
    }
    struct index n;
    index_open(&n, 4);
    for (unsigned i = 0; i < 4; i++)
        index_add(&n, names[i], i);
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(index_find(&n, names[i], strlen(names[i])), i);
    CHECK_INT(index_find(&n, names[4], strlen(names[4])), UINT32_MAX);
    CHECK_INT(index_find(&n, names[0], strlen(names[0]) - 1), UINT32_MAX);
    index_close(&n);
}

#define WORDS(prefix, count)                                   \
    do {                                                       \
        for (unsigned i = 0; i < (count); i++)                 \
            CHECK_INT(prefix##_from(prefix##_text(i)), i);     \
        CHECK_TEXT(prefix##_text(count), "?");                 \
        CHECK_INT(prefix##_from("nonsense"), -1);              \
    } while (0)

TEST(words_and_values_are_one_to_one)
{
    WORDS(level, LEVEL_COUNT);
    WORDS(state, STATE_COUNT);
    WORDS(mode, MODE_COUNT);
    WORDS(vital_class, VITAL_CLASS_COUNT);
    WORDS(why, WHY_COUNT);
    WORDS(reason, VITAL_REASON_COUNT);
    WORDS(journal_kind, JOURNAL_KIND_COUNT);
}

TEST(cutting_reads_no_further_than_it_must)
{
    char *text = malloc(5);
    memcpy(text, "abcde", 5);
    CHECK_INT(text_cut_at(text, 4), 4);
    free(text);
    CHECK_INT(text_cut_at("abc", 3), 3);
    CHECK_INT(text_cut_at("ab\xc3\xa9", 3), 2);
    CHECK_INT(text_cut_at("\x80\x80\x80\x80\x80", 4), 1); /* no UTF-8: three back at most */
    CHECK_INT(text_cut_at("\x80\x80", 1), 0);
}

/* The leak checker tells when a label is forgotten. */
TEST(labels_go_along_with_numbers)
{
    struct numbers reported = { 0 };
    struct packed kept = { 0 };
    const char *at = NULL;
    numbers_open(&reported);
    reported.items[0] = (struct number){ .label = mem_copy("first") };
    reported.count = 1;
    packed_keep(&kept, &reported);
    numbers_close(&reported);
    CHECK_TEXT(packed_next(&kept, 0, &at).label, "first");
    numbers_open(&reported);
    reported.items[0] = (struct number){ .value = 1, .row = 7, .label = mem_copy("second") };
    reported.items[1] = (struct number){ .value = 2, .row = 1 };
    reported.items[2] = (struct number){ .value = 3, .row = 0x7fff, .label = mem_copy("third") };
    reported.count = 3;
    packed_keep(&kept, &reported);
    reported.items[1].row = 9; /* the record has its own */
    CHECK_INT(kept.count, 3);
    at = NULL;
    struct number n = packed_next(&kept, 0, &at);
    CHECK(n.value == 1 && n.row == 7 && !strcmp(n.label, "second"));
    n = packed_next(&kept, 1, &at);
    CHECK(n.value == 2 && n.row == 1 && !n.label);
    n = packed_next(&kept, 2, &at);
    CHECK(n.value == 3 && n.row == 0x7fff && !strcmp(n.label, "third"));
    numbers_close(&reported);
    packed_keep(&kept, &reported);
    CHECK_INT(kept.count, 0);
    mem_free(kept.values);
    numbers_open(&reported); /* what no outcome took */
    reported.items[0] = (struct number){ .label = mem_copy("third") };
    reported.count = 1;
    numbers_close(&reported);
    numbers_open(&reported); /* the same block again: it must not hide a label from the leak checker */
    memset(reported.items, 0, reported.room * sizeof *reported.items);
    numbers_close(&reported);
}

TEST(more_blocks_than_are_kept_for_later_are_freed)
{
    struct numbers many[20] = { 0 };
    for (unsigned i = 0; i < 20; i++)
        numbers_open(&many[i]);
    for (unsigned i = 0; i < 20; i++) {
        numbers_close(&many[i]);
        CHECK(!many[i].items);
    }
}

TEST(a_stall_is_what_the_machine_did_not_sleep)
{
    const uint64_t t = 1000 * USEC_S;
    CHECK_INT(stall_size(t, TIME_NEVER, 0), 0);
    CHECK_INT(stall_size(t, t, 0), 0);
    CHECK_INT(stall_size(t + STALL_GAP, t, 0), 0);
    CHECK_INT(stall_size(t + STALL_GAP + 1, t, 0), STALL_GAP + 1);
    CHECK_INT(stall_size(t + 10 * USEC_S, t, 3 * USEC_S), 7 * USEC_S);
    CHECK_INT(stall_size(t + 10 * USEC_S, t, 10 * USEC_S), 0);
    CHECK_INT(stall_size(t + 10 * USEC_S, t, 11 * USEC_S), 0);
    CHECK_INT(stall_size(t + 10 * USEC_S, t, 9 * USEC_S), 0);
    CHECK_INT(stall_size(t - 5 * USEC_S, t, 0), 0);
}

TEST(a_lease_is_the_stall_later_and_no_longer_than_it_may_be)
{
    CHECK_INT(stall_lease(100, 10, 200), 110);
    CHECK_INT(stall_lease(100, 100, 200), 200);
    CHECK_INT(stall_lease(100, 1000, 200), 200);
    CHECK_INT(stall_lease(200, 10, 200), 0);
    CHECK_INT(stall_lease(199, 10, 200), 200);
    CHECK_INT(stall_lease(TIME_NEVER, 10, 200), 0);
}

TEST(beyond_the_end_there_is_nothing)
{
    struct state_reader in = { .at = "", .left = 0 };
    CHECK_INT(get_8(&in), 0);
    CHECK(in.broken);
    in = (struct state_reader){ .at = "abc", .left = 3 };
    CHECK_INT(get_64(&in), 0);
    CHECK(in.broken && in.left == 3);
    CHECK_INT(get_8(&in), 0); /* broken is broken */
    char room[4] = "old";
    get_bytes(&in, room, sizeof room);
    CHECK(!room[0] && !room[2]);
    in = (struct state_reader){ .at = "\4", .left = 1 };
    CHECK_INT(get_below(&in, 4), 0);
    CHECK(in.broken);
    in = (struct state_reader){ .at = "\3", .left = 1 };
    CHECK_INT(get_below(&in, 4), 3);
    CHECK(!in.broken && !in.left);
}

static bool text_is_taken(const char *text, size_t len, size_t room, const char *as)
{
    struct buf b = BUF(256);
    uint32_t written = (uint32_t)len;
    char to[16];
    memset(to, 'x', sizeof to);
    buf_add(&b, (const char *)&written, sizeof written);
    buf_add(&b, text, len);
    struct state_reader in = { .at = b.data, .left = b.len };
    get_text(&in, to, room);
    CHECK_TEXT(to, as);
    CHECK_INT(to[room], 'x');
    CHECK(in.broken || !in.left);
    buf_free(&b);
    return !in.broken;
}

TEST(a_text_has_to_fit_and_to_be_one)
{
    CHECK(text_is_taken("abc", 3, 4, "abc"));
    CHECK(text_is_taken("", 0, 4, ""));
    CHECK(!text_is_taken("abcd", 4, 4, ""));
    CHECK(!text_is_taken("abcdef", 6, 4, ""));
    CHECK(!text_is_taken("a\0c", 3, 4, ""));
    struct state_reader in = { .at = "\3\0\0\0ab", .left = 6 };
    char to[8] = "old";
    get_text(&in, to, sizeof to);
    CHECK(in.broken);
    CHECK_TEXT(to, "");
}

TEST(a_head_alone_is_sealed_and_any_bit_of_it_counts)
{
    struct state_head h = { .magic = STATE_MAGIC, .version = STATE_VERSION }, got;
    struct buf b = BUF(1024);
    buf_add(&b, (const char *)&h, sizeof h - 1);
    state_seal(&b); /* too short to be one: left alone */
    CHECK(!memcmp(b.data, &h, sizeof h - 1));
    CHECK(state_check_head(b.data, b.len, &got));
    buf_reset(&b);
    buf_add(&b, (const char *)&h, sizeof h);
    state_seal(&b);
    CHECK_TEXT(state_check_head(b.data, b.len, &got), NULL);
    CHECK_INT(got.length, sizeof h);
    uint64_t first = got.checksum;
    h.wall = 1;
    buf_reset(&b);
    buf_add(&b, (const char *)&h, sizeof h);
    state_seal(&b);
    CHECK_TEXT(state_check_head(b.data, b.len, &got), NULL);
    CHECK(got.checksum != first);
    char *exact = mem_copy_n(b.data, b.len - 1); /* a block that ends with it: nobody looks beyond */
    exact[b.len - 1] = b.data[b.len - 1];
    CHECK_TEXT(state_check_head(exact, b.len, &got), NULL);
    mem_free(exact);
    buf_free(&b);
}

TEST(a_long_text_is_put_as_far_as_it_goes)
{
    char text[2 * STATE_TEXT], to[STATE_TEXT];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct buf b = BUF(4 * STATE_TEXT);
    put_text(&b, text);
    struct state_reader in = { .at = b.data, .left = b.len };
    get_text(&in, to, sizeof to);
    CHECK(!in.broken && !in.left);
    CHECK_INT(strlen(to), STATE_TEXT - 1);
    buf_free(&b);
}

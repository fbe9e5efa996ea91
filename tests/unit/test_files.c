#include "unit.h"

#include "front_world.h"

#include <sys/stat.h>

static char dir[] = "/tmp/vtfXXXXXX", path[64];

/* What the file says; "" when it is not there. */
static const char *content(void)
{
    static char text[64];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

static void wait_for(const char *text)
{
    for (unsigned i = 0; i < 20000 && strcmp(content(), text) != 0; i++)
        front_turn();
    CHECK_TEXT(content(), text);
}

static void leave_stale(void)
{
    FILE *f = fopen(path, "w");
    fputs("stale\n", f);
    fclose(f);
}

static void open_world(const char *name)
{
    static struct conf_file file = { .path = path, .group = 4 };
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    front_files = &file;
    front_file_count = 1;
}

static void close_world(void)
{
    files_close();
    CHECK_TEXT(content(), "");
    front_close();
    CHECK(rmdir(dir) == 0);      /* nothing temporary was left either */
}

TEST(the_file_follows_its_group)
{
    open_world("ready");
    leave_stale();
    small[0].hold = true;
    front_open();
    wait_for("");      /* nothing is known yet: what an older life left is removed */
    small[0].hold = false;
    mem_free(admin_run("db"));
    if (small[0].held)
        small_end(small[0].held);
    wait_for("pass\n");
    front_set("db", VITAL_WARN);
    wait_for("warn\n");
    front_set("db", VITAL_FAIL);
    wait_for("");
    front_set("db", VITAL_PASS);
    wait_for("pass\n");
    close_world();
}

TEST(a_file_that_leaves_the_configuration_is_removed)
{
    open_world("ready");
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    wait_for("pass\n");
    front_file_count = 0;
    CHECK(front_adopt());
    wait_for("");
    close_world();
}

TEST(a_directory_that_is_not_there_is_counted_and_tried_again)
{
    char sub[80];
    open_world("sub/ready");
    snprintf(sub, sizeof sub, "%s/sub", dir);
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    while (!front_stats.files_failed)
        front_turn();
    CHECK(mkdir(sub, 0755) == 0);
    wait_for("pass\n");
    front_file_count = 0;
    CHECK(front_adopt());
    wait_for("");
    rmdir(sub);
    close_world();
}

/* A number for keepalived, a configuration for nginx: any text, and another one instead of no file. */
TEST(any_content_and_another_while_the_group_fails)
{
    static struct conf_file file = { .path = path, .group = 4, .content = "0\n", .otherwise = "1\n" };
    open_world("number");
    front_files = &file;
    small[0].hold = true;
    front_open();
    wait_for("1\n");     /* nothing is known yet */
    small[0].hold = false;
    mem_free(admin_run("db"));
    wait_for("0\n");
    front_set("db", VITAL_WARN);
    wait_for("0\n");
    front_set("db", VITAL_FAIL);
    front_set("db", VITAL_FAIL);
    front_set("db", VITAL_FAIL);
    wait_for("1\n");
    static struct conf_file other = { .path = path, .group = 4, .otherwise = "failing" };
    front_files = &other;
    CHECK(front_adopt());
    wait_for("failing");
    files_close();
    CHECK_TEXT(content(), "failing");
    unlink(path);
    front_close();
    CHECK(rmdir(dir) == 0);
}

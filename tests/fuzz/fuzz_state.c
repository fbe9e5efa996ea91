/* State files: whatever is in one, it is refused or taken over, and then the engine is as sound as ever. The head is mended
 * first, so that what comes is not stopped by its checksum; the input as it came must be refused or accepted all the same. */
#include "core/state_bytes.h"
#include "../unit/small_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void) { }

static void mend(struct buf *b)
{
    struct state_head head;
    memcpy(&head, b->data, sizeof head);
    head.magic = STATE_MAGIC;
    head.version = STATE_VERSION;
    memcpy(b->data, &head, sizeof head);
    state_seal(b);
}

static void live_on(struct buf *b, const char *boot)
{
    struct verdict v;
    size_t len = b->len;
    state_restore(buf_take(b), len, boot);
    small_open(NULL);
    for (uint32_t g = 0; g < core_conf()->group_count; g++)
        core_verdict(g, &v);
    picture_free(picture_all());
    small_turn(nothing);
    struct state_export e = { 0 };
    state_begin(&e, boot);
    while (!state_continue(&e, 1))
        continue;
    state_seal(&e.bytes);
    if (state_check(e.bytes.data, e.bytes.len))
        abort(); /* what was taken over can be written again */
    buf_free(&e.bytes);
    small_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b = BUF(STATE_SIZE_MAX);
    char boot[STATE_BOOT] = "";
    small_patience = 0;
    state_check((const char *)data, size);
    buf_add(&b, data, size);
    if (size >= sizeof(struct state_head)) {
        mend(&b);
        memcpy(boot, b.data + offsetof(struct state_head, boot), sizeof boot - 1);
        if (!state_check(b.data, b.len))
            live_on(&b, size % 2 ? boot : "another");
    }
    buf_free(&b);
    return 0;
}

#include "view/view.h"

#include "base/buf.h"
#include "base/mem.h"

uint32_t view_once(const struct view_input *in, struct view_progress *p)
{
    (void)in;
    (void)p;
    return 1;
}

uint32_t view_probes(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return in->picture->probe_count;
}

uint32_t view_groups(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return in->picture->group_count;
}

bool view_steps(const struct view_step *steps, unsigned count, const struct view_input *in, struct view_progress *p,
                struct buf *out)
{
    size_t start = out->len;
    p->json.out = out;
    for (; p->step < count; p->step++, p->item = 0) {
        uint32_t items = steps[p->step].count(in, p);
        while (p->item < items) {
            if (out->len - start >= VIEW_CHUNK)
                return false;
            steps[p->step].item(in, p, p->item++, out);
        }
    }
    return true;
}

void view_end(struct view_progress *p)
{
    mem_free(p->own);
    *p = (struct view_progress){ 0 };
}

void view_whole(view_fn *view, const struct view_input *in, struct buf *out)
{
    struct view_progress p = { 0 };
    while (!view(in, &p, out) && !out->over)
        continue;
    view_end(&p);
}

#include "fronts.h"

#include "front/agent.h"
#include "front/control.h"
#include "front/events.h"
#include "front/files.h"
#include "front/gate.h"
#include "front/grpc.h"
#include "front/listen.h"
#include "front/notify.h"
#include "front/sd.h"
#include "front/server.h"
#include "front/statefile.h"

bool fronts_prepare(const struct conf *conf, struct diag *diag)
{
    static const struct {
        bool (*prepare)(const struct conf *, struct diag *);
        void (*abandon)(void);
    } all[] = { { agent_prepare, agent_abandon }, { gate_prepare, gate_abandon }, { listen_prepare, NULL /* the last */ } };
    unsigned count = sizeof all / sizeof *all, i = 0;
    while (i < count && all[i].prepare(conf, diag))
        i++;
    if (i == count) {
        listen_commit();
        return true;
    }
    while (i-- > 0)
        all[i].abandon();
    return false;
}

void fronts_adopt(void)
{
    server_adopt();
    grpc_adopt();
    files_adopt();
    agent_adopt();
    gate_adopt();
    notify_adopt();
}

void fronts_publish(void)
{
    files_publish();
    gate_publish();
    grpc_publish();
    control_publish();
    events_publish();
    notify_publish();
    statefile_publish();
    sd_publish();
}

void fronts_close(void)
{
    control_close();
    statefile_close();
    notify_close();
    files_close();
    gate_close();
    agent_close();
    grpc_close();
    listen_close();
}

/* Prometheus' text format 0.0.4 and OpenMetrics 1.0: probes, groups, the probes' own numbers, and the daemon's facts. */
#ifndef VIEW_PROMETHEUS_H
#define VIEW_PROMETHEUS_H

#include "view/view.h"

view_fn prometheus_metrics, prometheus_openmetrics;

#endif

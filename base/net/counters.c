#include "base/net/counters.h"

#include <stdio.h>
#include "base/check.h"

static const char *const close_labels[] = {
#define NET_CLOSE_LABEL(name, label) [NET_CLOSE_##name] = label,
    NET_CLOSE_TABLE(NET_CLOSE_LABEL)
#undef NET_CLOSE_LABEL
};

static struct metric *counter(const char *name, const char *help, const char *labels)
{
    return metric_get(METRIC_COUNTER, name, help, labels);
}

static struct metric *open_gauge(const char *door)
{
    char labels[128];
    snprintf(labels, sizeof labels, "door=\"%s\"", door);
    return metric_get(METRIC_GAUGE, "diglot_net_connections", "Connections open now.", labels);
}

int64_t net_connections_open(const char *door)
{
    return metric_value(open_gauge(door));
}

void net_counters_init(struct net_counters *c, const char *door)
{
    char labels[128];
    for (int i = 0; i < NET_CLOSE_COUNT; i++) {
        snprintf(labels, sizeof labels, "door=\"%s\",reason=\"%s\"", door, close_labels[i]);
        c->closed[i] = counter("diglot_net_connections_closed_total",
                               "Connections closed, by reason.", labels);
    }
    snprintf(labels, sizeof labels, "door=\"%s\"", door);
    c->open = open_gauge(door);
    c->opened = counter("diglot_net_connections_opened_total", "Connections accepted.", labels);
    c->bytes_in = counter("diglot_net_bytes_in_total", "Bytes received, inside TLS.", labels);
    c->bytes_out = counter("diglot_net_bytes_out_total", "Bytes sent, inside TLS.", labels);
    c->requests = counter("diglot_net_requests_total", "Requests handed to the door.", labels);
    c->refused = counter("diglot_net_requests_refused_total",
                         "HTTP requests refused before the door: 400, 413, 431, 503.", labels);
    c->budget_waits = counter("diglot_net_budget_waits_total",
                              "Times a connection waited for request memory.", labels);
    c->accept_failures = counter("diglot_net_accept_failures_total", "accept() failed.", labels);
    c->tls_handshakes = counter("diglot_net_tls_handshakes_total", "TLS handshakes done.", labels);
    c->h2_resets = counter("diglot_net_h2_resets_total", "HTTP/2 streams reset by us.", labels);
}

#include "bridge/front/front.h"

#include <assert.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/front/dispatch.h"
#include "protocol/aws/codec.h"
#include "base/check.h"

struct front *front_new(const struct front_options *options, uint32_t loop_count)
{
    struct front *f = NEW(struct front);
    f->options = *options;
    f->ids = NEW_ARRAY(struct ids, loop_count);
    for (uint32_t i = 0; i < loop_count; i++) ids_init(&f->ids[i]);
    f->door = (struct http_door){
        .body_bytes_max = options->body_bytes_max,
        .reply_bytes_max = options->reply_bytes_max,
        .arena_bytes_max =
            (uint32_t)aws_decode_arena(options->body_bytes_max) + options->reply_bytes_max,
        .context = f,
        .answer_bytes = front_dispatch_answer_bytes,
        .on_request = front_dispatch,
    };
    return f;
}

void front_free(struct front *f)
{
    if (f == NULL) return;
    for (uint32_t i = 0; i < f->service_count; i++) {
        mem_free(f->services[i]->latency);
        mem_free(f->services[i]->errors);
    }
    mem_free(f->ids);
    mem_free(f);
}

void front_add(struct front *f, struct front_service *service)
{
    char labels[128];
    assert(f->service_count < FRONT_SERVICES_MAX);
    f->services[f->service_count++] = service;
    service->latency = NEW_ARRAY(struct metric *, service->operation_count);
    for (uint32_t i = 0; i < service->operation_count; i++) {
        snprintf(labels, sizeof labels, "operation=\"%s\"", service->operations[i].name);
        service->latency[i] = metric_get(METRIC_HISTOGRAM, service->latency_name,
                                         "From the last byte of a request to its answer", labels);
    }
    service->errors = NEW_ARRAY(struct metric *, ERR_COUNT);
    for (int i = 1; i < ERR_COUNT; i++) {
        snprintf(labels, sizeof labels, "exception=\"%s\"", service->exception((enum err)i));
        service->errors[i] = metric_get(METRIC_COUNTER, service->errors_name,
                                        "Requests answered with an error", labels);
    }
}

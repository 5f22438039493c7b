#include "bridge/retention.h"
#include "base/check.h"

void kinesis_decrease_stream_retention_period(struct front_request *rq)
{
    const struct decrease_stream_retention_period_input *in =
        &rq_input(rq)->decrease_stream_retention_period;
    retention_change(rq, in->stream_name, in->stream_arn, in->retention_period_hours,
                     /* increase= */ false);
}

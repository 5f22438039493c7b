#include "bridge/page.h"

#include "base/clock.h"
#include "base/check.h"

bool page_read(struct front_request *rq, enum page_kind kind, struct bytes text,
               struct page_token *ret)
{
    enum err err = page_parse(&rq_bridge(rq)->token_key, kind, text, clock_steady_ms(), rq->arena,
                              ret);
    if (err == ERR_EXPIRED_NEXT_TOKEN)
        front_fail(rq, err, "NextToken expired: it is good for 300 seconds.");
    else if (err != ERR_OK)
        front_fail(rq, ERR_INVALID_ARGUMENT, "NextToken is invalid.");
    return err == ERR_OK;
}

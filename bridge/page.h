/* NextTokens of the listings: one way to read them, with AWS's answers for those that are no
 * good. */
#ifndef BRIDGE_PAGE_H
#define BRIDGE_PAGE_H

#include "bridge/request.h"
#include "protocol/kinesis/token.h"

/* False: answered (ExpiredNextTokenException, InvalidArgumentException). Texts in ret
 * live in the request's arena. Thread: the request's loop. */
bool page_read(struct front_request *rq, enum page_kind kind, struct bytes text,
               struct page_token *ret);

#endif

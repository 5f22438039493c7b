/* Increase and DecreaseStreamRetentionPeriod: one change with two directions. */
#ifndef BRIDGE_RETENTION_H
#define BRIDGE_RETENTION_H

#include "bridge/request.h"

/* Answers the request. increase: the new period may not be shorter than the old one, else not
 * longer. */
void retention_change(struct front_request *rq, struct bytes name, struct bytes arn,
                      int32_t hours, bool increase);

#endif

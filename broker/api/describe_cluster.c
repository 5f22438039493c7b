#include "broker/request.h"
#include "broker/topics.h"
#include "protocol/kafka/msg/describe_cluster.h"
#include "base/check.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

enum err kafka_describe_cluster(struct kafka_request *rq)
{
    struct describe_cluster_request in;
    TRY(describe_cluster_request_decode(&rq->body, rq->version, &in));
    struct net_address advertised;
    kafka_advertised(rq, &advertised);
    struct describe_cluster_response_broker broker = DESCRIBE_CLUSTER_RESPONSE_BROKER_INIT;
    broker.broker_id = rq->broker->options.node_id;
    broker.host = bytes_str(advertised.host);
    broker.port = advertised.port;
    struct describe_cluster_response out = DESCRIBE_CLUSTER_RESPONSE_INIT;
    if (in.endpoint_type == ENDPOINT_BROKERS) {
        out.cluster_id = store_cluster_id(rq_store(rq));
        out.controller_id = broker.broker_id;
        out.brokers = &broker;
        out.brokers_count = 1;
        if (in.include_cluster_authorized_operations)
            out.cluster_authorized_operations = OPERATIONS_CLUSTER;
    } else {
        out.error_code = err_kafka(in.endpoint_type == ENDPOINT_CONTROLLERS
                                       ? ERR_MISMATCHED_ENDPOINT_TYPE
                                       : ERR_UNSUPPORTED_ENDPOINT_TYPE);
        out.error_message = bytes_str(in.endpoint_type == ENDPOINT_CONTROLLERS
                                          ? "The request was sent to an endpoint of type BROKER, "
                                            "but we wanted an endpoint of type CONTROLLER"
                                          : "Unsupported endpoint type");
    }
    KAFKA_ENCODE(rq, describe_cluster, &out);
    kafka_reply(rq);
    return ERR_OK;
}

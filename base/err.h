/* The one error table of both doors.
 *
 * A row is: internal name, class, Kafka error code, Kinesis exception, text. The class is what a
 * caller branches on: CLIENT - the request is at fault, repeating it fails again; TRANSIENT - the
 * same request may succeed later; FATAL - the object it was asked of can no longer be used.
 * Rows whose failure exists in Kafka carry Kafka's name (Errors.java); the other ones carry AWS's.
 * Source: Apache Kafka 4.4 Errors.java; Kinesis API reference, 2013-12-02 model. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

enum err_class { ERR_CLASS_NONE, ERR_CLASS_CLIENT, ERR_CLASS_TRANSIENT, ERR_CLASS_FATAL };

#define ERR_TABLE(E)                                                                               \
    E(UNKNOWN_SERVER_ERROR, FATAL, -1, "InternalFailure", "the server failed; its log says why")   \
    E(OFFSET_OUT_OF_RANGE, CLIENT, 1, "InvalidArgumentException", "the offset is not in the log")  \
    E(CORRUPT_MESSAGE, CLIENT, 2, "InvalidArgumentException", "the record batch is corrupt")       \
    E(UNKNOWN_TOPIC_OR_PARTITION, CLIENT, 3, "ResourceNotFoundException",                          \
      "no such topic or partition")                                                                \
    E(LEADER_NOT_AVAILABLE, TRANSIENT, 5, "ResourceInUseException", "the topic is being made")     \
    E(NOT_LEADER_OR_FOLLOWER, TRANSIENT, 6, "InternalFailure", "the log moved; ask again")         \
    E(REQUEST_TIMED_OUT, TRANSIENT, 7, "InternalFailure", "the request timed out")                 \
    E(BUSY, TRANSIENT, 7, "ProvisionedThroughputExceededException", "no memory for the request")   \
    E(MESSAGE_TOO_LARGE, CLIENT, 10, "InvalidArgumentException", "the record batch is too large")  \
    E(OFFSET_METADATA_TOO_LARGE, CLIENT, 12, "InvalidArgumentException",                           \
      "offset metadata too large")                                                                 \
    E(COORDINATOR_LOAD_IN_PROGRESS, TRANSIENT, 14, "InternalFailure",                              \
      "the coordinator is loading")                                                                \
    E(COORDINATOR_NOT_AVAILABLE, TRANSIENT, 15, "InternalFailure",                                 \
      "the coordinator is not available")                                                          \
    E(NOT_COORDINATOR, TRANSIENT, 16, "InternalFailure", "not the coordinator of this key")        \
    E(INVALID_TOPIC_EXCEPTION, CLIENT, 17, "InvalidArgumentException",                             \
      "the topic name is not legal")                                                               \
    E(INVALID_REQUIRED_ACKS, CLIENT, 21, "InvalidArgumentException", "acks must be -1, 0 or 1")    \
    E(ILLEGAL_GENERATION, CLIENT, 22, "InvalidArgumentException", "not the group's generation")    \
    E(INCONSISTENT_GROUP_PROTOCOL, CLIENT, 23, "InvalidArgumentException",                         \
      "no common group protocol")                                                                  \
    E(INVALID_GROUP_ID, CLIENT, 24, "InvalidArgumentException", "the group id is not legal")       \
    E(UNKNOWN_MEMBER_ID, CLIENT, 25, "InvalidArgumentException", "not a member of the group")      \
    E(INVALID_SESSION_TIMEOUT, CLIENT, 26, "InvalidArgumentException",                             \
      "session timeout out of range")                                                              \
    E(REBALANCE_IN_PROGRESS, TRANSIENT, 27, "InternalFailure", "the group is rebalancing")         \
    E(INVALID_COMMIT_OFFSET_SIZE, CLIENT, 28, "InvalidArgumentException",                          \
      "the commit is too large")                                                                   \
    E(TOPIC_AUTHORIZATION_FAILED, CLIENT, 29, "AccessDeniedException", "topic access denied")      \
    E(GROUP_AUTHORIZATION_FAILED, CLIENT, 30, "AccessDeniedException", "group access denied")      \
    E(CLUSTER_AUTHORIZATION_FAILED, CLIENT, 31, "AccessDeniedException", "cluster access denied")  \
    E(INVALID_TIMESTAMP, CLIENT, 32, "InvalidArgumentException", "the timestamp is out of range")  \
    E(UNSUPPORTED_VERSION, CLIENT, 35, "InvalidArgumentException", "the version is not supported") \
    E(TOPIC_ALREADY_EXISTS, CLIENT, 36, "ResourceInUseException", "the topic exists already")      \
    E(INVALID_PARTITIONS, CLIENT, 37, "InvalidArgumentException",                                  \
      "the partition count is not legal")                                                          \
    E(INVALID_REPLICATION_FACTOR, CLIENT, 38, "InvalidArgumentException",                          \
      "replication factor larger than the one broker")                                             \
    E(INVALID_REPLICA_ASSIGNMENT, CLIENT, 39, "InvalidArgumentException",                          \
      "the replica assignment is not legal")                                                       \
    E(INVALID_CONFIG, CLIENT, 40, "InvalidArgumentException", "the configuration is not legal")    \
    E(NOT_CONTROLLER, TRANSIENT, 41, "InternalFailure", "not the controller")                      \
    E(INVALID_REQUEST, CLIENT, 42, "InvalidArgumentException", "the request is not legal")         \
    E(UNSUPPORTED_FOR_MESSAGE_FORMAT, CLIENT, 43, "InvalidArgumentException",                      \
      "message format too old")                                                                    \
    E(POLICY_VIOLATION, CLIENT, 44, "InvalidArgumentException", "a topic policy refuses this")     \
    E(OUT_OF_ORDER_SEQUENCE_NUMBER, CLIENT, 45, "InvalidArgumentException",                        \
      "producer sequence out of order")                                                            \
    E(DUPLICATE_SEQUENCE_NUMBER, CLIENT, 46, "InvalidArgumentException",                           \
      "producer sequence repeated")                                                                \
    E(INVALID_PRODUCER_EPOCH, CLIENT, 47, "InvalidArgumentException",                              \
      "the producer epoch is stale")                                                               \
    E(INVALID_TXN_STATE, CLIENT, 48, "InvalidArgumentException",                                   \
      "not legal in this transaction state")                                                       \
    E(INVALID_PRODUCER_ID_MAPPING, CLIENT, 49, "InvalidArgumentException", "producer id unknown")  \
    E(CONCURRENT_TRANSACTIONS, TRANSIENT, 51, "InternalFailure",                                   \
      "a transaction is being completed")                                                          \
    E(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, CLIENT, 53, "AccessDeniedException",                  \
      "transactional id access denied")                                                            \
    E(SECURITY_DISABLED, CLIENT, 54, "InvalidArgumentException", "security features are off")      \
    E(OPERATION_NOT_ATTEMPTED, TRANSIENT, 55, "InternalFailure", "not attempted")                  \
    E(KAFKA_STORAGE_ERROR, FATAL, 56, "InternalFailure",                                           \
      "storage failed; the server log says why")                                                   \
    E(SASL_AUTHENTICATION_FAILED, CLIENT, 58, "AccessDeniedException", "authentication failed")    \
    E(UNKNOWN_PRODUCER_ID, CLIENT, 59, "InvalidArgumentException", "producer state unknown")       \
    E(NON_EMPTY_GROUP, CLIENT, 68, "ResourceInUseException", "the group has members")              \
    E(GROUP_ID_NOT_FOUND, CLIENT, 69, "ResourceNotFoundException", "no such group")                \
    E(FETCH_SESSION_ID_NOT_FOUND, TRANSIENT, 70, "InternalFailure", "no such fetch session")       \
    E(INVALID_FETCH_SESSION_EPOCH, TRANSIENT, 71, "InternalFailure", "wrong fetch session epoch")  \
    E(TOPIC_DELETION_DISABLED, CLIENT, 73, "InvalidArgumentException",                             \
      "topics may not be deleted")                                                                 \
    E(FENCED_LEADER_EPOCH, TRANSIENT, 74, "InternalFailure", "the leader epoch is older")          \
    E(UNKNOWN_LEADER_EPOCH, TRANSIENT, 75, "InternalFailure", "the leader epoch is newer")         \
    E(UNSUPPORTED_COMPRESSION_TYPE, CLIENT, 76, "InvalidArgumentException",                        \
      "compression not supported")                                                                 \
    E(STALE_BROKER_EPOCH, TRANSIENT, 77, "InternalFailure", "stale broker epoch")                  \
    E(OFFSET_NOT_AVAILABLE, TRANSIENT, 78, "InternalFailure", "the offset is not available yet")   \
    E(MEMBER_ID_REQUIRED, CLIENT, 79, "InvalidArgumentException",                                  \
      "join again with this member id")                                                            \
    E(GROUP_MAX_SIZE_REACHED, CLIENT, 81, "LimitExceededException", "the group is full")           \
    E(FENCED_INSTANCE_ID, CLIENT, 82, "InvalidArgumentException",                                  \
      "the static member was replaced")                                                            \
    E(GROUP_SUBSCRIBED_TO_TOPIC, CLIENT, 86, "ResourceInUseException", "the group uses the topic") \
    E(INVALID_RECORD, CLIENT, 87, "InvalidArgumentException", "the record is not legal")           \
    E(UNSTABLE_OFFSET_COMMIT, TRANSIENT, 88, "InternalFailure", "offsets are being committed")     \
    E(THROTTLING_QUOTA_EXCEEDED, TRANSIENT, 89, "LimitExceededException", "the quota is exceeded") \
    E(PRODUCER_FENCED, CLIENT, 90, "InvalidArgumentException", "a newer producer took over")       \
    E(RESOURCE_NOT_FOUND, CLIENT, 91, "ResourceNotFoundException", "no such resource")             \
    E(UNKNOWN_TOPIC_ID, TRANSIENT, 100, "ResourceNotFoundException", "no topic has this id")       \
    E(INCONSISTENT_TOPIC_ID, TRANSIENT, 103, "InternalFailure", "the topic id is another topic's") \
    E(FETCH_SESSION_TOPIC_ID_ERROR, TRANSIENT, 106, "InternalFailure",                             \
      "the session mixes names and ids")                                                           \
    E(MISMATCHED_ENDPOINT_TYPE, CLIENT, 114, "InvalidArgumentException",                           \
      "sent to an endpoint of the wrong type")                                                     \
    E(UNSUPPORTED_ENDPOINT_TYPE, CLIENT, 115, "InvalidArgumentException", "no such endpoint type") \
    E(REBOOTSTRAP_REQUIRED, CLIENT, 129, "InvalidArgumentException",                               \
      "connect anew to this cluster")                                                              \
    /* Kinesis only */                                                                             \
    E(RESOURCE_IN_USE, CLIENT, -1, "ResourceInUseException", "the resource is in use")             \
    E(INVALID_ARGUMENT, CLIENT, 42, "InvalidArgumentException", "the argument is not legal")       \
    E(LIMIT_EXCEEDED, CLIENT, 89, "LimitExceededException", "a limit is exceeded")                 \
    E(VALIDATION, CLIENT, 42, "ValidationException", "the request breaks a constraint")            \
    E(SERIALIZATION, CLIENT, 42, "SerializationException", "the request cannot be read")           \
    E(UNKNOWN_OPERATION, CLIENT, 35, "UnknownOperationException", "no such operation")             \
    E(ACCESS_DENIED, CLIENT, 31, "AccessDeniedException", "access denied")                         \
    E(MISSING_AUTHENTICATION_TOKEN, CLIENT, 58, "MissingAuthenticationTokenException",             \
      "Missing Authentication Token")                                                              \
    E(INCOMPLETE_SIGNATURE, CLIENT, 58, "IncompleteSignatureException",                            \
      "the signature is incomplete")                                                               \
    E(INVALID_SIGNATURE, CLIENT, 58, "InvalidSignatureException", "the signature is not legal")    \
    E(PROVISIONED_THROUGHPUT_EXCEEDED, TRANSIENT, 89, "ProvisionedThroughputExceededException",    \
      "rate exceeded")                                                                             \
    E(EXPIRED_ITERATOR, CLIENT, 1, "ExpiredIteratorException", "the iterator expired")             \
    E(EXPIRED_NEXT_TOKEN, CLIENT, 1, "ExpiredNextTokenException", "the token expired")             \
    E(DRY_RUN, CLIENT, 42, "DryRunOperationException", "it was only a dry run")                    \
    /* of our own making; no door shows these names */                                             \
    E(COLD, TRANSIENT, 78, "InternalFailure", "not in memory; ask a reader thread")                \
    E(MOVED, TRANSIENT, 6, "InternalFailure", "the shard map changed; route again")                \
    E(NOT_FOUND, CLIENT, 91, "ResourceNotFoundException", "not there")                             \
    E(TOO_LARGE, CLIENT, 10, "LimitExceededException", "beyond a stated limit")                    \
    E(DISK, FATAL, 56, "InternalFailure", "the disk refused a read or a write")                    \
    E(FORMAT, FATAL, 56, "InternalFailure", "the data directory has another format")               \
    E(CLOSED, TRANSIENT, 6, "InternalFailure", "closed or shutting down")                          \
    E(CONFIG, FATAL, 40, "InvalidArgumentException", "a setting is wrong")

#define ERR_NAME(name, ...) ERR_##name,
enum [[nodiscard]] err { ERR_OK, ERR_TABLE(ERR_NAME) ERR_COUNT };
#undef ERR_NAME

/* The columns of the table. Each takes any value of the enum; a stray value aborts.
 * Thread: any. */
const char *err_name(enum err err);      /* "OFFSET_OUT_OF_RANGE"; "NONE" for ERR_OK */
const char *err_text(enum err err);      /* one English sentence without a full stop */
const char *err_kinesis(enum err err);   /* "ResourceNotFoundException" */
int16_t err_kafka(enum err err);         /* 0 for ERR_OK */
const char *err_kafka_name(enum err err);    /* of that code, so never a name of our own making */
enum err_class err_class(enum err err);

/* Pass an error on: the only macro that returns. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err try_ = (expr);                                                                    \
        if (try_ != ERR_OK) return try_;                                                           \
    } while (0)
/* Release on every way out of the scope: fn takes a pointer to the variable. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
/* Move ownership out of a variable. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

#endif

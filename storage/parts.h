/* An open store: its parts, how store.c puts them together, and how they find each other. Only
 * inside storage. */
#ifndef STORAGE_PARTS_H
#define STORAGE_PARTS_H

#include "storage/store.h"

struct codecs;          /* codecs.c: the threads that unpack and pack */
struct controller;      /* controller.c: the thread of catalog changes */
struct house;           /* house.c: the thread of syncs, retention and disk space */
struct readers;         /* reader.c: the threads that read from disk */
struct worker;          /* worker.c: a thread that owns logs */
struct writer;
#define PART(name, ...) struct name;    /* name.c: what it keeps */
#include "storage/parts.def"

struct store {
    struct store_options options;
    struct kv *kv;
    struct worker *workers[STORE_THREADS_MAX];
    struct readers *readers;
    struct codecs *codecs;
#define PART(name, ...) struct name *name;
#include "storage/parts.def"
    struct controller *controller;
    struct house *house;
};

/* Parts are opened in the order of their rows, closed in the opposite one (NULL is a no-op); each
 * reads what it has in store_kv(). check: `diglot check` reads all that one has in a directory and
 * tells in words what is wrong, a line each; ret_wrong: how many.
 * Errors: ERR_DISK; ERR_FORMAT - of open alone. Thread: main; blocks; check: any. */
#define PART(name, ...)                                                                            \
    enum err name##_open(struct store *s, struct name **ret);                                      \
    void name##_close(struct name *part);                                                          \
    enum err name##_check(struct kv *kv, struct writer *out, int64_t *ret_wrong);
#include "storage/parts.def"

/* Calls each() for every topic, by name, a reference of the caller's for that long; those that come
 * or go meanwhile may be left out. Thread: any; short locks between the calls. */
void store_topics_each(struct store *s, void *context,
                       void (*each)(void *context, struct topic *topic));

/* A topic goes: erase adds to b what removes what is stored of it, forget drops it from memory
 * after b was committed. Thread: the controller; a short lock. */
#define PART_OF_TOPICS(name, ...)                                                                  \
    void name##_erase_topic(struct name *part, struct kv_batch *b, const struct uuid *topic_id);   \
    void name##_forget_topic(struct name *part, const struct uuid *topic_id);
#include "storage/parts.def"

/* Starts the controller thread unless store_options.manual.
 * Errors: ERR_DISK. Thread: main; blocks. */
enum err controller_open(struct store *s, struct controller **ret);
bool controller_turn(struct controller *c);     /* manual: runs what waits; false: nothing did */
void controller_stop(struct controller *c);     /* ends the thread, runs what waits; NULL: no-op */
void controller_close(struct controller *c);    /* was stopped; NULL is a no-op */

/* The parts of an open store; NULL until each is opened. */
struct worker *store_worker(struct store *s, uint64_t number);  /* who owns what has this number */
struct readers *store_readers(struct store *s);
struct codecs *store_codecs(struct store *s);
struct controller *store_controller(struct store *s);
struct house *store_house(struct store *s);
#define PART(name, ...) struct name *store_##name(struct store *s);
#include "storage/parts.def"

#endif

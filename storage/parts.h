/* An open store: its parts, how store.c puts them together, and how they find each other. Only
 * inside storage. */
#ifndef STORAGE_PARTS_H
#define STORAGE_PARTS_H

#include "storage/store.h"

struct catalog;         /* catalog.c: the table of topics */
struct codecs;          /* codecs.c: the threads that unpack and pack */
struct controller;      /* controller.c: the thread of catalog changes */
struct house;           /* house.c: the thread of syncs, retention and disk space */
struct offsets;         /* offsets.c: committed offsets */
struct readers;         /* reader.c: the threads that read from disk */
struct worker;          /* worker.c: a thread that owns logs */

struct store {
    struct store_options options;
    struct kv *kv;
    struct worker *workers[STORE_THREADS_MAX];
    struct readers *readers;
    struct codecs *codecs;
    struct catalog *catalog;
    struct offsets *offsets;
    struct controller *controller;
    struct house *house;
};

/* Opened in this order, closed in the opposite one. Each reads what it has in store_kv().
 * Errors: ERR_DISK; ERR_FORMAT. Thread: main; blocks. */
enum err catalog_open(struct store *s, struct catalog **ret);
/* Errors: ERR_DISK; ERR_FORMAT. Thread: main; blocks. */
enum err offsets_open(struct store *s, struct offsets **ret);
/* Starts the controller thread unless store_options.manual.
 * Errors: ERR_DISK. Thread: main; blocks. */
enum err controller_open(struct store *s, struct controller **ret);
bool controller_turn(struct controller *c);     /* manual: runs what waits; false: nothing did */
void controller_stop(struct controller *c);     /* ends the thread, runs what waits; NULL: no-op */
void controller_close(struct controller *c);    /* was stopped; NULL is a no-op */
void offsets_close(struct offsets *o);          /* NULL is a no-op */
void catalog_close(struct catalog *c);          /* NULL is a no-op */

/* The parts of an open store; NULL until each is opened. */
struct worker *store_worker(struct store *s, uint64_t number);  /* who owns what has this number */
struct readers *store_readers(struct store *s);
struct codecs *store_codecs(struct store *s);
struct catalog *store_catalog(struct store *s);
struct controller *store_controller(struct store *s);
struct offsets *store_offsets(struct store *s);
struct house *store_house(struct store *s);

#endif

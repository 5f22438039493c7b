/* How store.c puts the parts of storage together. Nobody outside storage includes this. */
#ifndef STORAGE_PARTS_H
#define STORAGE_PARTS_H

#include "storage/store.h"

struct catalog;         /* catalog.c: the table of topics */
struct controller;      /* control.c: the thread of catalog changes */
struct offsets;         /* offsets.c: committed offsets */

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

/* The parts of an open store. */
struct catalog *store_catalog(struct store *s);
struct controller *store_controller(struct store *s);
struct offsets *store_offsets(struct store *s);

#endif

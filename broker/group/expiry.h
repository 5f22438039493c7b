/* The rounds in which a loop's groups lose offsets past their retention and, when nothing is left
 * of them, go themselves. */
#ifndef BROKER_GROUP_EXPIRY_H
#define BROKER_GROUP_EXPIRY_H

struct group_expiry;
struct groups_loop;

/* Never NULL. Thread: main, before the loop runs; free after it was stopped. */
struct group_expiry *group_expiry_new(struct groups_loop *gl);
void group_expiry_free(struct group_expiry *e);     /* NULL is a no-op */
/* Starts a round now. Thread: the loop's. */
void group_expiry_run(struct group_expiry *e);

#endif

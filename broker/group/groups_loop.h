/* The groups that one loop owns: every group id falls to one loop by its hash, and requests that
 * arrive elsewhere are carried there and back. */
#ifndef BROKER_GROUP_GROUPS_LOOP_H
#define BROKER_GROUP_GROUPS_LOOP_H

struct broker_loop;
struct groups_loop;

/* Never NULL. Thread: main, before the loop runs; free after it was stopped. */
struct groups_loop *groups_loop_new(struct broker_loop *home);
void groups_loop_free(struct groups_loop *g);      /* NULL is a no-op */

#endif

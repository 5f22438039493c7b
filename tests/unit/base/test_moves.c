#include "base/moves.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "test.h"

enum light { RED, GREEN, YELLOW, LIGHTS };
static const moves light_moves[LIGHTS] = {
    [RED] = TO(GREEN) | TO(RED),
    [GREEN] = TO(YELLOW),
    [YELLOW] = TO(RED),
};

static void light_move(enum light *l, enum light to)
{
    MOVE(light_moves, *l, to);
}

/* Another process makes the move: what it exits with, or -1 when it aborted. */
static int moved(enum light from, enum light to)
{
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        light_move(&from, to);
        _exit((int)from);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) EXPECT_EQ(WTERMSIG(status), SIGABRT);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_move_that_the_table_has_is_made_and_any_other_aborts)
{
    for (enum light from = RED; from < LIGHTS; from++)
        for (enum light to = RED; to <= LIGHTS; to++) {
            bool legal = (from == RED && to != YELLOW && to != LIGHTS) ||
                         (from == GREEN && to == YELLOW) || (from == YELLOW && to == RED);
            EXPECT_EQ(moved(from, to), legal ? (int)to : -1);
        }
}

TESTS(RUN(a_move_that_the_table_has_is_made_and_any_other_aborts))

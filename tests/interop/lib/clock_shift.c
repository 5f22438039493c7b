/* For LD_PRELOAD: a wall clock that a test sets while the process runs. The file that
 * CLOCK_SHIFT names holds the seconds (int64, this machine's byte order) by which the wall clock is
 * ahead; the monotonic clock stays what it is. Called before main() by allocators, so it takes no
 * memory and no lock. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t shift_s(void)
{
    static const volatile int64_t none;
    static _Atomic(const volatile int64_t *) shift;
    const volatile int64_t *now = atomic_load(&shift);
    if (now == NULL) {
        const char *path = getenv("CLOCK_SHIFT");
        int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *now, PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0) close(fd);
        now = map == MAP_FAILED ? &none : map;
        atomic_store(&shift, now);
    }
    return *now;
}

int clock_gettime(clockid_t id, struct timespec *to)
{
    int status = (int)syscall(SYS_clock_gettime, id, to);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        to->tv_sec += shift_s();
    return status;
}

int gettimeofday(struct timeval *to, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *to = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to != NULL) *to = now.tv_sec;
    return now.tv_sec;
}

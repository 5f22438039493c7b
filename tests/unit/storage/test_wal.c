/* The write-ahead log by itself: its bytes, where it ends, its files. */
#include "storage/wal/wal.h"

#include <pthread.h>
#include <stdatomic.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "golden.h"
#include "test.h"

enum { EXTENT = 16 << 10 };

struct log {
    struct files *files;
    struct wal *wal;
    uint64_t extent_bytes;
};

static enum err nothing(void *context, const struct wal_frame *frame)
{
    (void)context, (void)frame;
    return ERR_OK;
}

static enum err count_frames(void *context, const struct wal_frame *frame)
{
    (*(int *)context)++;
    EXPECT(frame->batch.len > 0);
    return ERR_OK;
}

/* Opens what is there; frames: how many it has. */
static struct wal_end log_open(struct log *l, int *frames)
{
    const struct wal_options options = {.extent_bytes = l->extent_bytes};
    const struct wal_place nowhere = {0};
    struct wal_end end;
    *frames = 0;
    EXPECT_OK(wal_open(l->files, &options, &l->wal));
    EXPECT_OK(wal_walk(l->wal, &nowhere, 0, frames, count_frames, &end));
    return end;
}

static void log_new_of(struct log *l, uint64_t extent_bytes)
{
    int frames;
    *l = (struct log){.files = files_mem_new(), .extent_bytes = extent_bytes};
    struct wal_end end = log_open(l, &frames);
    EXPECT_EQ(frames, 0);
    EXPECT_OK(wal_begin(l->wal, &end.place, 0x0102030405060708));
}

static void log_new(struct log *l)
{
    log_new_of(l, EXTENT);
}

static void log_done(struct log *l)
{
    wal_close(l->wal);
    files_free(l->files);
}

/* A frame of one run with so many bytes of this kind; where the run stands. */
static struct wal_pointer write_one(struct wal *w, uint8_t kind, size_t bytes)
{
    uint8_t *data = mem_new(bytes);
    memset(data, kind, bytes);
    struct iovec part = {data, bytes};
    struct wal_run run = {.key = {'k', kind}, .part_count = 1, .bytes = (uint32_t)bytes};
    const struct wal_extent *sealed;
    EXPECT_OK(wal_aim(w, &run, 1, &part, 5, false, &sealed));
    EXPECT_OK(wal_write(w, &run, 1, &part, 1, BYTES_LIT("batch")));
    mem_free(data);
    return run.at;
}

static struct wal_pointer append(struct wal *w, uint8_t kind, size_t bytes)
{
    struct wal_pointer at = write_one(w, kind, bytes);
    wal_accept(w);
    return at;
}

static enum err read_of(struct wal *w, const struct wal_pointer *p, uint8_t kind)
{
    uint8_t *to = mem_new(p->bytes);
    enum err err = wal_read(w, p, to);
    if (err == ERR_OK) EXPECT(to[0] == kind && to[p->bytes - 1] == kind);
    mem_free(to);
    return err;
}

static const char first_name[] = "0000000000000001.extent";

TEST(a_frame_has_the_bytes_of_the_golden_file)
{
    struct log l;
    log_new(&l);
    (void)append(l.wal, 'a', 40);
    struct bytes all = files_mem_bytes(l.files, first_name);
    EXPECT_EQ(wal_here(l.wal).position, EXTENT_HEADER_BYTES + frame_bytes(40, 1, 5));
    EXPECT_GOLDEN("storage/frame.bin", all.data, wal_here(l.wal).position);
    log_done(&l);
}

TEST(runs_are_read_and_frames_are_found_again_over_several_extents)
{
    struct log l;
    struct wal_pointer at[20];
    int frames;
    log_new(&l);
    for (int i = 0; i < 20; i++) at[i] = append(l.wal, (uint8_t)('a' + i), 3000);
    struct wal_stats stats;
    wal_stats(l.wal, &stats);
    EXPECT(stats.extents >= 4);
    EXPECT_EQ(stats.payload_bytes, 20 * 3000);
    struct wal_place here = wal_here(l.wal);
    for (int i = 0; i < 20; i++) EXPECT_OK(read_of(l.wal, &at[i], (uint8_t)('a' + i)));
    wal_close(l.wal);
    struct wal_end end = log_open(&l, &frames);
    EXPECT_EQ(frames, 20);
    EXPECT(end.place.frame == here.frame && end.place.position == here.position &&
           end.place.payload_bytes == here.payload_bytes && end.text[0] == '\0');
    log_done(&l);
}

/* Each byte of a frame but its padding is covered: a flipped bit ends the log in front of it. */
TEST(a_flipped_bit_anywhere_in_a_frame_ends_the_log_there)
{
    struct log l;
    int frames;
    log_new(&l);
    (void)append(l.wal, 'a', 50);
    uint64_t from = wal_here(l.wal).position;
    (void)append(l.wal, 'b', 51);
    uint64_t to = wal_here(l.wal).position, padding = 8 - (51 + 28 + 5) % 8;
    (void)append(l.wal, 'c', 52);
    wal_close(l.wal);
    for (uint64_t at = from; at < to - padding; at++) {
        files_mem_damage(l.files, first_name, at, 4);
        struct wal_end end = log_open(&l, &frames);
        EXPECT_EQ(frames, 1);
        EXPECT(end.torn_bytes > 0 && strstr(end.text, first_name) != NULL);
        wal_close(l.wal);
        files_mem_damage(l.files, first_name, at, 4);
    }
    (void)log_open(&l, &frames);
    EXPECT_EQ(frames, 3);
    log_done(&l);
}

/* Else what comes next could end where the old one did, and what followed that would follow it. */
TEST(what_stands_behind_the_end_is_gone_once_writes_go_on)
{
    struct log l;
    int frames;
    log_new(&l);
    (void)append(l.wal, 'a', 100);
    uint64_t second = wal_here(l.wal).position;
    (void)append(l.wal, 'b', 100);
    (void)append(l.wal, 'c', 100);
    wal_close(l.wal);
    files_mem_damage(l.files, first_name, second + FRAME_HEADER_BYTES, 1);
    struct wal_end end = log_open(&l, &frames);
    EXPECT_EQ(frames, 1);
    EXPECT_OK(wal_begin(l.wal, &end.place, 1));
    (void)append(l.wal, 'd', 100);          /* as long as the one that was damaged */
    wal_close(l.wal);
    (void)log_open(&l, &frames);
    EXPECT_EQ(frames, 2);
    log_done(&l);
}

TEST(a_frame_that_was_taken_back_is_not_found)
{
    struct log l;
    int frames;
    log_new(&l);
    (void)append(l.wal, 'a', 100);
    (void)write_one(l.wal, 'b', 200);
    EXPECT_OK(wal_void(l.wal));
    wal_close(l.wal);
    (void)log_open(&l, &frames);
    EXPECT_EQ(frames, 1);
    log_done(&l);
}

/* Else its frame would stand behind the end of one, or the log would go on while what is in front
 * may be taken back. */
TEST(an_extent_begins_when_all_frames_in_front_of_it_are_accepted)
{
    enum { KIB = 1 << 10 };
    struct log l;
    log_new_of(&l, 64 * KIB);
    (void)write_one(l.wal, 'a', 40 * KIB);
    static uint8_t data[40 * KIB];
    struct iovec part = {data, sizeof data};
    struct wal_run run = {.part_count = 1, .bytes = sizeof data};
    const struct wal_extent *sealed;
    EXPECT_ERR(wal_aim(l.wal, &run, 1, &part, 5, false, &sealed), ERR_BUSY);
    (void)write_one(l.wal, 'b', 10 * KIB);          /* what fits goes on */
    wal_accept(l.wal);
    EXPECT_ERR(wal_aim(l.wal, &run, 1, &part, 5, false, &sealed), ERR_BUSY);
    wal_accept(l.wal);
    struct wal_pointer at = append(l.wal, 'c', 40 * KIB);
    EXPECT_EQ(at.extent, 2);
    EXPECT_EQ(wal_here(l.wal).frame, 3);
    log_done(&l);
}

TEST(a_place_that_cannot_be_voided_takes_nothing_until_it_is_healed)
{
    struct log l;
    log_new(&l);
    (void)append(l.wal, 'a', 100);
    (void)write_one(l.wal, 'b', 200);
    files_mem_set_faults(l.files, &(struct files_mem_faults){.fail_at = 0});
    EXPECT_ERR(wal_void(l.wal), ERR_DISK);
    struct wal_run run = {.part_count = 0};
    const struct wal_extent *sealed;
    EXPECT_ERR(wal_aim(l.wal, &run, 0, NULL, 5, false, &sealed), ERR_DISK);
    EXPECT_OK(wal_heal(l.wal));
    (void)append(l.wal, 'c', 100);
    EXPECT_EQ(wal_here(l.wal).frame, 2);
    log_done(&l);
}

TEST(bytes_that_are_not_those_that_were_written_are_not_given_out)
{
    struct log l;
    log_new(&l);
    struct wal_pointer at = append(l.wal, 'a', 3000);
    EXPECT_OK(read_of(l.wal, &at, 'a'));
    files_mem_damage(l.files, first_name, at.position + 1500, 1);
    EXPECT_ERR(read_of(l.wal, &at, 'a'), ERR_FORMAT);
    at.extent = 9;
    EXPECT_ERR(read_of(l.wal, &at, 'a'), ERR_NOT_FOUND);
    log_done(&l);
}

/* An empty server takes little of a disk, and a full one says so before anything is written. */
TEST(a_run_is_read_at_once_where_no_disk_is_waited_for)
{
    enum { BYTES = 300000 };                    /* more than are read at a time */
    struct log l;
    log_new(&l);
    struct wal_pointer at = append(l.wal, 'a', BYTES);
    uint8_t *to = mem_new(BYTES);
    EXPECT_OK(wal_read_now(l.wal, &at, to));
    for (size_t i = 0; i < BYTES; i++) EXPECT_EQ(to[i], 'a');
    files_mem_set_cold(l.files, true);
    EXPECT_ERR(wal_read_now(l.wal, &at, to), ERR_COLD);
    EXPECT_OK(read_of(l.wal, &at, 'a'));
    files_mem_set_cold(l.files, false);
    files_mem_damage(l.files, first_name, at.position + BYTES - 1, 1);
    EXPECT_ERR(wal_read_now(l.wal, &at, to), ERR_FORMAT);
    at.extent = 9;
    EXPECT_ERR(wal_read_now(l.wal, &at, to), ERR_NOT_FOUND);
    mem_free(to);
    log_done(&l);
}

TEST(a_full_disk_is_found_in_front_of_a_frame_and_takes_those_that_free_room)
{
    enum { MIB = 1 << 20 };
    struct log l;
    log_new_of(&l, WAL_EXTENT_BYTES);
    files_mem_set_room(l.files, MIB + 2000);
    (void)append(l.wal, 'a', 10000);
    EXPECT_EQ(files_mem_bytes(l.files, first_name).len, MIB);
    struct wal_place here = wal_here(l.wal);
    static uint8_t data[MIB];
    struct iovec part = {data, sizeof data};
    struct wal_run run = {.part_count = 1, .bytes = sizeof data};
    const struct wal_extent *sealed;
    EXPECT_ERR(wal_aim(l.wal, &run, 1, &part, 5, false, &sealed), ERR_DISK);
    EXPECT(wal_is_full(l.wal) && wal_here(l.wal).frame == here.frame);
    EXPECT_ERR(wal_aim(l.wal, NULL, 0, NULL, 5, false, &sealed), ERR_DISK);   /* nor a small one */
    EXPECT_OK(wal_aim(l.wal, NULL, 0, NULL, 5, true, &sealed));
    EXPECT_OK(wal_write(l.wal, NULL, 0, NULL, 0, BYTES_LIT("frees")));
    wal_accept(l.wal);
    EXPECT_ERR(wal_heal(l.wal), ERR_DISK);
    files_mem_set_room(l.files, 100 * MIB);
    EXPECT_OK(wal_heal(l.wal));
    (void)append(l.wal, 'b', 8000);
    EXPECT_EQ(wal_here(l.wal).frame, 3);
    log_done(&l);
}

static bool note_run(void *context, const uint8_t key[RUN_KEY_BYTES], const struct wal_pointer *at)
{
    char *text = context;
    EXPECT_EQ(key[0], 'k');
    snprintf(text + strlen(text), 16, "%c%u ", key[1], at->bytes);
    return true;
}

TEST(the_runs_of_an_extent_are_found_also_where_holes_are)
{
    struct log l;
    log_new(&l);
    (void)append(l.wal, 'a', 5000);
    struct wal_pointer b = append(l.wal, 'b', 9000);
    bool done = false;
    EXPECT_OK(wal_punch(l.wal, b.extent, b.position, b.bytes, &done));
    EXPECT(done);
    EXPECT_ERR(read_of(l.wal, &b, 'b'), ERR_FORMAT);
    char text[64] = "";
    const struct wal_visit visit = {.context = text, .run = note_run};
    EXPECT_OK(wal_visit(l.wal, 1, &visit));
    EXPECT_STR(text, "a5000 b9000 ");
    log_done(&l);
}

TEST(a_place_that_is_gone_is_an_end)
{
    struct log l;
    log_new(&l);
    (void)append(l.wal, 'a', 100);
    struct wal_place here = wal_here(l.wal);
    wal_close(l.wal);
    EXPECT_OK(files_remove(l.files, first_name));
    const struct wal_options options = {.extent_bytes = EXTENT};
    struct wal_end end;
    EXPECT_OK(wal_open(l.files, &options, &l.wal));
    EXPECT_OK(wal_walk(l.wal, &here, 0, NULL, nothing, &end));
    EXPECT_EQ(end.place.frame, here.frame);
    EXPECT_OK(wal_begin(l.wal, &end.place, 1));
    (void)append(l.wal, 'b', 100);
    EXPECT_EQ(wal_here(l.wal).extent, 2);
    log_done(&l);
}

/* As when all in it is dead, and the tables have it all: the frames behind it are there. */
TEST(a_place_whose_extent_went_leads_to_the_next_one)
{
    struct log l;
    int frames = 0;
    log_new(&l);
    (void)append(l.wal, 'a', 100);
    struct wal_place here = wal_here(l.wal);
    wal_want_seal(l.wal);
    (void)append(l.wal, 'b', 100);
    (void)append(l.wal, 'c', 100);
    EXPECT_EQ(wal_here(l.wal).extent, 2);
    EXPECT_OK(wal_drop(l.wal, here.extent));
    wal_close(l.wal);
    const struct wal_options options = {.extent_bytes = EXTENT};
    struct wal_end end;
    EXPECT_OK(wal_open(l.files, &options, &l.wal));
    EXPECT_OK(wal_walk(l.wal, &here, 0, &frames, count_frames, &end));
    EXPECT_EQ(frames, 2);
    EXPECT_EQ(end.place.frame, 3);
    EXPECT_STR(end.text, "");
    log_done(&l);
}

/* ---- More files than may be open */

enum { READ_AT_ONCE = WAL_FILES_MAX + 20, MADE_MEANWHILE = 400, ONE_EXTENT = 3000 };

struct reading {
    struct wal *wal;
    struct wal_pointer runs[READ_AT_ONCE];
    atomic_bool stop;
};

static void *read_all(void *arg)
{
    struct reading *r = arg;
    for (int i = 0; !atomic_load(&r->stop); i++) {
        int n = i % READ_AT_ONCE;
        EXPECT_OK(read_of(r->wal, &r->runs[n], (uint8_t)n));
    }
    return NULL;
}

/* Each read opens a file and closes another one, while the log goes on from one to the next. */
TEST(files_are_opened_and_closed_while_extents_begin)
{
    struct log l;
    struct reading r = {0};
    pthread_t reader;
    log_new_of(&l, ONE_EXTENT);
    r.wal = l.wal;
    for (int i = 0; i < READ_AT_ONCE; i++) r.runs[i] = append(l.wal, (uint8_t)i, ONE_EXTENT);
    EXPECT_EQ(r.runs[READ_AT_ONCE - 1].extent, READ_AT_ONCE);
    EXPECT_EQ(pthread_create(&reader, NULL, read_all, &r), 0);
    for (int i = 0; i < MADE_MEANWHILE; i++) {
        (void)append(l.wal, (uint8_t)i, ONE_EXTENT);
        uint64_t frame;
        EXPECT_OK(wal_sync(l.wal, &frame));
    }
    atomic_store(&r.stop, true);
    pthread_join(reader, NULL);
    for (int i = 0; i < READ_AT_ONCE; i++) EXPECT_OK(read_of(l.wal, &r.runs[i], (uint8_t)i));
    log_done(&l);
}

TESTS(RUN(files_are_opened_and_closed_while_extents_begin),
      RUN(a_frame_has_the_bytes_of_the_golden_file),
      RUN(runs_are_read_and_frames_are_found_again_over_several_extents),
      RUN(a_flipped_bit_anywhere_in_a_frame_ends_the_log_there),
      RUN(what_stands_behind_the_end_is_gone_once_writes_go_on),
      RUN(a_frame_that_was_taken_back_is_not_found),
      RUN(an_extent_begins_when_all_frames_in_front_of_it_are_accepted),
      RUN(a_place_that_cannot_be_voided_takes_nothing_until_it_is_healed),
      RUN(bytes_that_are_not_those_that_were_written_are_not_given_out),
      RUN(a_run_is_read_at_once_where_no_disk_is_waited_for),
      RUN(a_full_disk_is_found_in_front_of_a_frame_and_takes_those_that_free_room),
      RUN(the_runs_of_an_extent_are_found_also_where_holes_are),
      RUN(a_place_that_is_gone_is_an_end), RUN(a_place_whose_extent_went_leads_to_the_next_one))

/* Files in memory for tests, deterministic, with faults by count of calls.
 *
 * Of each file two states are kept: what a reader finds, and what was synced; the writes in between
 * stand in one list in their order, cut at page boundaries as the kernel writes pages. A power cut
 * goes back to the second state and applies those of the list that the test lets stay. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "storage/wal/files_impl.h"
#include "base/check.h"

enum { PAGE = 4096 };

struct content {
    uint8_t *data;
    uint64_t len;
    uint64_t cap;
};

struct node {
    char name[FILE_NAME_BYTES];
    struct content now;
    struct content synced;
    bool named;             /* it has a name now, */
    bool named_synced;      /* and after a power cut */
};

enum change_kind { CHANGE_WRITE, CHANGE_CUT, CHANGE_PUNCH, CHANGE_NAME, CHANGE_UNNAME };

struct change {
    enum change_kind kind;
    struct node *node;
    uint64_t at;            /* CUT: the new length */
    uint64_t len;
    uint8_t *data;
};

struct mem_files {
    struct files base;
    pthread_mutex_t lock;
    struct node **nodes;
    int node_count;
    struct change *changes;
    int change_count;
    int change_cap;
    struct files_mem_faults faults;
    int64_t calls;
    bool faulted;
    bool crashed;
    bool plain;
    bool cold;
    int64_t room;
    bool (*hook)(void *context, enum files_call call);
    void *hook_context;
};

struct mem_file {
    struct file base;
    struct mem_files *fs;
    struct node *node;
};

static const struct files_ops mem_ops;

static void unlockp(struct mem_files **fs)
{
    pthread_mutex_unlock(&(*fs)->lock);
}

static struct mem_files *locked(struct mem_files *fs)
{
    pthread_mutex_lock(&fs->lock);
    return fs;
}

static struct mem_files *files_of(struct files *fs)
{
    assert(fs->ops == &mem_ops);
    return (struct mem_files *)fs;
}

static struct mem_file *file_of(struct file *f)
{
    return (struct mem_file *)f;
}

static bool fault_now(struct mem_files *fs)
{
    if (fs->crashed) return true;
    int64_t call = fs->calls++;
    if (fs->faults.fail_at < 0 || call < fs->faults.fail_at) return false;
    if (call - fs->faults.fail_at > fs->faults.fail_count) return false;
    fs->faulted = true;
    fs->crashed = fs->faults.crash;
    return true;
}

static bool hook_fails(const struct mem_files *fs, enum files_call call)
{
    return fs->hook != NULL && fs->hook(fs->hook_context, call);
}

/* ---- Contents */

static void content_reach(struct content *c, uint64_t len)
{
    if (len > c->cap) {
        c->cap = len * 2;
        c->data = mem_grow(c->data, c->cap);
    }
    if (len > c->len) {
        memset(c->data + c->len, 0, len - c->len);
        c->len = len;
    }
}

static void content_apply(struct content *c, const struct change *x)
{
    switch (x->kind) {
    case CHANGE_WRITE:
        content_reach(c, x->at + x->len);
        mem_copy(c->data + x->at, x->data, x->len);
        break;
    case CHANGE_CUT:
        content_reach(c, x->at);
        c->len = x->at;
        break;
    case CHANGE_PUNCH:
        for (uint64_t i = x->at; i < x->at + x->len && i < c->len; i++) c->data[i] = 0;
        break;
    case CHANGE_NAME:
    case CHANGE_UNNAME: break;
    }
}

/* A name is one file's: the one that got it last. */
static void name_synced(struct mem_files *fs, struct node *n)
{
    for (int i = 0; i < fs->node_count; i++)
        if (strcmp(fs->nodes[i]->name, n->name) == 0) fs->nodes[i]->named_synced = false;
    n->named_synced = true;
}

static void synced_apply(struct mem_files *fs, const struct change *x)
{
    if (x->kind == CHANGE_NAME) name_synced(fs, x->node);
    else if (x->kind == CHANGE_UNNAME) x->node->named_synced = false;
    else content_apply(&x->node->synced, x);
}

static bool is_of_names(const struct change *x)
{
    return x->kind == CHANGE_NAME || x->kind == CHANGE_UNNAME;
}

/* What is known to be synced leaves the list. node NULL: names. */
static void settle(struct mem_files *fs, const struct node *node)
{
    int kept = 0;
    for (int i = 0; i < fs->change_count; i++) {
        struct change *x = &fs->changes[i];
        bool is_this = node == NULL ? is_of_names(x) : x->node == node && !is_of_names(x);
        if (!is_this) {
            fs->changes[kept++] = *x;
            continue;
        }
        synced_apply(fs, x);
        mem_free(x->data);
    }
    fs->change_count = kept;
}

static void change_add(struct mem_files *fs, struct change x)
{
    if (fs->change_count == fs->change_cap) {
        fs->change_cap = fs->change_cap ? fs->change_cap * 2 : 16;
        fs->changes = mem_grow(fs->changes, (size_t)fs->change_cap * sizeof *fs->changes);
    }
    fs->changes[fs->change_count++] = x;
}

/* Does it now, and notes it for a power cut. */
static void change(struct mem_files *fs, struct change x)
{
    content_apply(&x.node->now, &x);
    change_add(fs, x);
}

/* ---- The seam */

static struct node *find(struct mem_files *fs, const char *name)
{
    for (int i = 0; i < fs->node_count; i++)
        if (fs->nodes[i]->named && strcmp(fs->nodes[i]->name, name) == 0) return fs->nodes[i];
    return NULL;
}

static void name_node(struct mem_files *fs, struct node *n, bool named)
{
    n->named = named;
    change_add(fs, (struct change){.kind = named ? CHANGE_NAME : CHANGE_UNNAME, .node = n});
}

static struct node *node_new(struct mem_files *fs, const char *name)
{
    struct node *n = NEW(struct node);
    snprintf(n->name, sizeof n->name, "%s", name);
    fs->nodes = mem_grow(fs->nodes, (size_t)(fs->node_count + 1) * sizeof *fs->nodes);
    fs->nodes[fs->node_count++] = n;
    return n;
}

static enum err mem_open(struct files *base, const char *name, enum file_mode mode,
                         struct file **ret)
{
    CLEANUP(unlockp) struct mem_files *fs = locked(files_of(base));
    bool fails = fault_now(fs);
    if (fails && !(fs->faults.applied && mode == FILE_CREATE)) return ERR_DISK;
    struct node *n = find(fs, name);
    if (n == NULL && mode != FILE_CREATE) return ERR_NOT_FOUND;
    if (n == NULL) {
        n = node_new(fs, name);
        name_node(fs, n, true);
    } else if (mode == FILE_CREATE) {
        change(fs, (struct change){.kind = CHANGE_CUT, .node = n});
    }
    if (fails) return ERR_DISK;
    struct mem_file *f = NEW(struct mem_file);
    *f = (struct mem_file){.base.ops = &mem_ops, .fs = fs, .node = n};
    *ret = &f->base;
    return ERR_OK;
}

static enum err mem_each(struct files *base, void *context,
                         void (*each)(void *context, const char *name))
{
    struct mem_files *fs = files_of(base);
    if (fault_now(fs)) return ERR_DISK;
    for (int i = 0; i < fs->node_count; i++)
        if (fs->nodes[i]->named) each(context, fs->nodes[i]->name);
    return ERR_OK;
}

static enum err mem_remove(struct files *base, const char *name)
{
    CLEANUP(unlockp) struct mem_files *fs = locked(files_of(base));
    bool fails = fault_now(fs);
    struct node *n = find(fs, name);
    if (n != NULL && (!fails || fs->faults.applied)) name_node(fs, n, false);
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_sync_names(struct files *base)
{
    CLEANUP(unlockp) struct mem_files *fs = locked(files_of(base));
    bool fails = fault_now(fs);
    if (!fails || fs->faults.applied) settle(fs, NULL);
    return fails ? ERR_DISK : ERR_OK;
}

/* Each has one name. */
static enum err mem_own(struct files *fs, const char *name, uint64_t len)
{
    (void)fs, (void)name, (void)len;
    return ERR_OK;
}

static void mem_close(struct file *f)
{
    mem_free(f);
}

static uint64_t mem_bytes(struct file *base)
{
    const struct mem_file *f = file_of(base);
    pthread_mutex_lock(&f->fs->lock);
    uint64_t len = f->node->now.len;
    pthread_mutex_unlock(&f->fs->lock);
    return len;
}

static void write_pages(struct mem_files *fs, struct node *n, const uint8_t *data, uint64_t len,
                        uint64_t at)
{
    while (len > 0) {
        uint64_t some = PAGE - at % PAGE;
        if (some > len) some = len;
        struct change x = {.kind = CHANGE_WRITE, .node = n, .at = at, .len = some,
                           .data = mem_new(some)};
        mem_copy(x.data, data, some);
        change(fs, x);
        data += some;
        at += some;
        len -= some;
    }
}

/* Errors: ERR_DISK - the file may not get so long. Thread: any, under the lock. */
static enum err take_room(struct mem_files *fs, const struct node *n, uint64_t end)
{
    if (fs->room == INT64_MAX || end <= n->now.len) return ERR_OK;
    uint64_t used = end - n->now.len;
    for (int i = 0; i < fs->node_count; i++)
        if (fs->nodes[i]->named) used += fs->nodes[i]->now.len;
    return used <= (uint64_t)fs->room ? ERR_OK : ERR_DISK;
}

static enum err mem_write(struct file *base, const struct iovec *parts, int count, uint64_t at)
{
    struct mem_file *f = file_of(base);
    if (hook_fails(f->fs, FILES_WRITE)) return ERR_DISK;
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    bool was_crashed = fs->crashed, fails = fault_now(fs);
    if (was_crashed) return ERR_DISK;
    uint64_t len = 0;
    for (int i = 0; i < count; i++) len += parts[i].iov_len;
    TRY(take_room(fs, f->node, at + len));
    uint64_t left = fails && !fs->faults.applied ? len / 2 : len;
    for (int i = 0; i < count && left > 0; i++) {
        uint64_t some = parts[i].iov_len < left ? parts[i].iov_len : left;
        write_pages(fs, f->node, parts[i].iov_base, some, at);
        at += some;
        left -= some;
    }
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_read(struct file *base, void *to, size_t len, uint64_t at)
{
    struct mem_file *f = file_of(base);
    if (hook_fails(f->fs, FILES_READ)) return ERR_DISK;
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    const struct content *c = &f->node->now;
    if (fault_now(fs) || at > c->len || len > c->len - at) return ERR_DISK;
    mem_copy(to, c->data + at, len);
    return ERR_OK;
}

static enum err mem_read_now(struct file *base, void *to, size_t len, uint64_t at)
{
    struct mem_files *fs = file_of(base)->fs;
    pthread_mutex_lock(&fs->lock);
    bool cold = fs->cold;
    pthread_mutex_unlock(&fs->lock);
    return cold ? ERR_COLD : mem_read(base, to, len, at);
}

static enum err mem_sync(struct file *base)
{
    struct mem_file *f = file_of(base);
    if (hook_fails(f->fs, FILES_SYNC)) return ERR_DISK;
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    bool fails = fault_now(fs);
    if (!fails || fs->faults.applied) settle(fs, f->node);
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_reserve(struct file *base, uint64_t at, uint64_t len)
{
    struct mem_file *f = file_of(base);
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    bool fails = fault_now(fs);
    if (fails && !fs->faults.applied) return ERR_DISK;
    if (fs->plain) return fails ? ERR_DISK : ERR_OK;
    TRY(take_room(fs, f->node, at + len));
    if (at + len > f->node->now.len)
        change(fs, (struct change){.kind = CHANGE_CUT, .node = f->node, .at = at + len});
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_cut(struct file *base, uint64_t len)
{
    struct mem_file *f = file_of(base);
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    bool fails = fault_now(fs);
    if (!fails || fs->faults.applied)
        change(fs, (struct change){.kind = CHANGE_CUT, .node = f->node, .at = len});
    return fails ? ERR_DISK : ERR_OK;
}

static enum err mem_punch(struct file *base, uint64_t at, uint64_t len, bool *ret_done)
{
    struct mem_file *f = file_of(base);
    *ret_done = false;
    if (hook_fails(f->fs, FILES_PUNCH)) return ERR_DISK;
    CLEANUP(unlockp) struct mem_files *fs = locked(f->fs);
    if (fault_now(fs)) return ERR_DISK;
    if (fs->plain) return ERR_OK;
    uint64_t first = (at + PAGE - 1) / PAGE * PAGE, end = (at + len) / PAGE * PAGE;
    if (first < end)
        change(fs, (struct change){.kind = CHANGE_PUNCH, .node = f->node, .at = first,
                                   .len = end - first});
    *ret_done = true;
    return ERR_OK;
}

static void mem_free_all(struct files *base)
{
    struct mem_files *fs = files_of(base);
    for (int i = 0; i < fs->change_count; i++) mem_free(fs->changes[i].data);
    for (int i = 0; i < fs->node_count; i++) {
        mem_free(fs->nodes[i]->now.data);
        mem_free(fs->nodes[i]->synced.data);
        mem_free(fs->nodes[i]);
    }
    mem_free(fs->nodes);
    mem_free(fs->changes);
    pthread_mutex_destroy(&fs->lock);
    mem_free(fs);
}

static const struct files_ops mem_ops = {
    .free = mem_free_all,
    .each = mem_each,
    .open = mem_open,
    .remove = mem_remove,
    .sync_names = mem_sync_names,
    .own = mem_own,
    .close = mem_close,
    .bytes = mem_bytes,
    .write = mem_write,
    .read = mem_read,
    .read_now = mem_read_now,
    .sync = mem_sync,
    .reserve = mem_reserve,
    .cut = mem_cut,
    .punch = mem_punch,
    .disk_bytes = mem_bytes,
};

/* ---- Tests' side */

struct files *files_mem_new(void)
{
    struct mem_files *fs = NEW(struct mem_files);
    fs->base.ops = &mem_ops;
    pthread_mutex_init(&fs->lock, NULL);
    fs->faults.fail_at = -1;
    fs->room = INT64_MAX;
    return &fs->base;
}

void files_mem_set_faults(struct files *base, const struct files_mem_faults *faults)
{
    struct mem_files *fs = files_of(base);
    fs->faults = *faults;
    fs->calls = 0;
    fs->faulted = false;
}

void files_mem_set_hook(struct files *base, void *context,
                        bool (*hook)(void *context, enum files_call call))
{
    struct mem_files *fs = files_of(base);
    fs->hook = hook;
    fs->hook_context = context;
}

bool files_mem_faulted(const struct files *fs)
{
    return ((const struct mem_files *)fs)->faulted;
}

int64_t files_mem_calls(const struct files *fs)
{
    return ((const struct mem_files *)fs)->calls;
}

void files_mem_set_plain(struct files *fs, bool plain)
{
    files_of(fs)->plain = plain;
}

void files_mem_set_cold(struct files *base, bool cold)
{
    files_of(base)->cold = cold;
}

void files_mem_set_room(struct files *fs, int64_t bytes)
{
    files_of(fs)->room = bytes;
}

void files_mem_restart(struct files *base)
{
    struct mem_files *fs = files_of(base);
    fs->crashed = false;
    fs->faults = (struct files_mem_faults){.fail_at = -1};
}

int files_mem_unsynced(const struct files *fs)
{
    return ((const struct mem_files *)fs)->change_count;
}

static void content_copy(struct content *to, const struct content *from)
{
    to->len = 0;
    content_reach(to, from->len);
    mem_copy(to->data, from->data, from->len);
}

void files_mem_power_cut(struct files *base, bool (*keeps)(void *context, int number),
                         void *context)
{
    struct mem_files *fs = files_of(base);
    for (int i = 0; i < fs->change_count; i++) {
        if (keeps(context, i)) synced_apply(fs, &fs->changes[i]);
        mem_free(fs->changes[i].data);
    }
    fs->change_count = 0;
    for (int i = 0; i < fs->node_count; i++) {
        struct node *n = fs->nodes[i];
        n->named = n->named_synced;
        content_copy(&n->now, &n->synced);
    }
    files_mem_restart(base);
}

struct files *files_mem_copy(const struct files *base)
{
    CLEANUP(unlockp) struct mem_files *from =
        locked(files_of((struct files *)(uintptr_t)base));
    struct files *copy = files_mem_new();
    struct mem_files *to = files_of(copy);
    for (int i = 0; i < from->node_count; i++) {
        struct node *n = node_new(to, from->nodes[i]->name);
        n->named = from->nodes[i]->named;
        n->named_synced = from->nodes[i]->named_synced;
        content_copy(&n->now, &from->nodes[i]->now);
        content_copy(&n->synced, &from->nodes[i]->synced);
    }
    for (int i = 0; i < from->change_count; i++) {
        struct change x = from->changes[i];
        for (int j = 0; j < from->node_count; j++)
            if (from->nodes[j] == from->changes[i].node) x.node = to->nodes[j];
        if (x.data != NULL) {
            x.data = mem_new(x.len);
            mem_copy(x.data, from->changes[i].data, x.len);
        }
        change_add(to, x);
    }
    to->plain = from->plain;
    to->room = from->room;
    return copy;
}

struct bytes files_mem_bytes(const struct files *base, const char *name)
{
    const struct mem_files *fs = (const struct mem_files *)base;
    for (int i = 0; i < fs->node_count; i++)
        if (fs->nodes[i]->named && strcmp(fs->nodes[i]->name, name) == 0)
            return bytes_of(fs->nodes[i]->now.data, fs->nodes[i]->now.len);
    return BYTES_NULL;
}

void files_mem_damage(struct files *base, const char *name, uint64_t at, uint8_t bits)
{
    struct mem_files *fs = files_of(base);
    struct node *n = find(fs, name);
    assert(n != NULL && at < n->now.len);
    n->now.data[at] ^= bits;
    if (at < n->synced.len) n->synced.data[at] ^= bits;
}

/* What stands behind the file seam provides: its objects begin with these, files.c calls through
 * them. Only inside storage/wal. */
#ifndef STORAGE_FILES_IMPL_H
#define STORAGE_FILES_IMPL_H

#include "storage/wal/files.h"

struct files_ops {
    void (*free)(struct files *fs);
    enum err (*each)(struct files *fs, void *context,
                     void (*each)(void *context, const char *name));
    enum err (*open)(struct files *fs, const char *name, enum file_mode mode, struct file **ret);
    enum err (*remove)(struct files *fs, const char *name);
    enum err (*sync_names)(struct files *fs);
    enum err (*own)(struct files *fs, const char *name, uint64_t len);
    void (*close)(struct file *f);
    uint64_t (*bytes)(struct file *f);
    enum err (*write)(struct file *f, const struct iovec *parts, int count, uint64_t at);
    enum err (*read)(struct file *f, void *to, size_t len, uint64_t at);
    enum err (*read_now)(struct file *f, void *to, size_t len, uint64_t at);
    enum err (*sync)(struct file *f);
    enum err (*reserve)(struct file *f, uint64_t at, uint64_t len);
    enum err (*cut)(struct file *f, uint64_t len);
    enum err (*punch)(struct file *f, uint64_t at, uint64_t len, bool *ret_done);
    uint64_t (*disk_bytes)(struct file *f);
};

struct files {
    const struct files_ops *ops;
};
struct file {
    const struct files_ops *ops;
};

#endif

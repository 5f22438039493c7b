#include "storage/wal/files.h"

#include "storage/wal/files_impl.h"
#include "base/check.h"

void files_free(struct files *fs)
{
    if (fs != NULL) fs->ops->free(fs);
}

enum err files_each(struct files *fs, void *context,
                    void (*each)(void *context, const char *name))
{
    return fs->ops->each(fs, context, each);
}

enum err files_open(struct files *fs, const char *name, enum file_mode mode, struct file **ret)
{
    return fs->ops->open(fs, name, mode, ret);
}

enum err files_remove(struct files *fs, const char *name)
{
    return fs->ops->remove(fs, name);
}

enum err files_sync_names(struct files *fs)
{
    return fs->ops->sync_names(fs);
}

enum err files_own(struct files *fs, const char *name, uint64_t len)
{
    return fs->ops->own(fs, name, len);
}

void file_close(struct file *f)
{
    if (f != NULL) f->ops->close(f);
}

uint64_t file_bytes(struct file *f)
{
    return f->ops->bytes(f);
}

enum err file_write(struct file *f, const struct iovec *parts, int count, uint64_t at)
{
    return f->ops->write(f, parts, count, at);
}

enum err file_read(struct file *f, void *to, size_t len, uint64_t at)
{
    return f->ops->read(f, to, len, at);
}

enum err file_read_now(struct file *f, void *to, size_t len, uint64_t at)
{
    return f->ops->read_now(f, to, len, at);
}

enum err file_sync(struct file *f)
{
    return f->ops->sync(f);
}

enum err file_reserve(struct file *f, uint64_t at, uint64_t len)
{
    return f->ops->reserve(f, at, len);
}

enum err file_cut(struct file *f, uint64_t len)
{
    return f->ops->cut(f, len);
}

enum err file_punch(struct file *f, uint64_t at, uint64_t len, bool *ret_done)
{
    return f->ops->punch(f, at, len, ret_done);
}

uint64_t file_disk_bytes(struct file *f)
{
    return f->ops->disk_bytes(f);
}

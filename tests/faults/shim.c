/* Lets the k-th call that changes a database's files fail, in whatever process this library is preloaded into.

   CASEDIAL_FAULT_FILES is what the paths of those files start with: the database, its -wal, -shm and -journal; their
   folder counts when it is synced. CASEDIAL_FAULT_CONTROL is a file of this struct control, shared with the test,
   which arms a fault while the server runs. Calls go to the kernel by number: nothing has to be looked up first. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { WRITE, SYNC, TRUNCATE, UNLINK, OPEN, MAP, KINDS }; /* OPEN for writing */
enum mode { ONCE, TORN, FROM_NOW_ON };

struct control {
    atomic_int countdown; /* the call that brings it to zero fails */
    atomic_int error;
    atomic_int mode;
    atomic_int fired;        /* how many calls failed */
    atomic_int first;        /* the kind of the first that failed */
    atomic_int last;         /* the kind of the last call that changed something */
    atomic_int calls[KINDS]; /* how many there were */
};

static struct control *control;
static const char *files;
static size_t files_length, folder_length;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CASEDIAL_FAULT_CONTROL");
    files = getenv("CASEDIAL_FAULT_FILES");
    if (!path || !files)
        return;
    files_length = strlen(files);
    folder_length = strrchr(files, '/') - files;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        abort();
    control = shared;
}

static int is_ours(const char *path, enum kind kind)
{
    if (strncmp(path, files, files_length) == 0)
        return 1;
    return kind == SYNC && strlen(path) == folder_length && strncmp(path, files, folder_length) == 0;
}

static int is_ours_by_fd(int fd, enum kind kind)
{
    char link[64], path[PATH_MAX];
    char *end = link + sizeof link;
    *--end = 0;
    do
        *--end = '0' + fd % 10;
    while (fd /= 10);
    end -= strlen("/proc/self/fd/");
    memcpy(end, "/proc/self/fd/", strlen("/proc/self/fd/"));
    ssize_t length = readlink(end, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_ours(path, kind);
}

/* Count a call on one of the files; tell whether it is to fail. */
static int fails(enum kind kind)
{
    atomic_fetch_add(&control->calls[kind], 1);
    if (kind != OPEN && kind != MAP) /* which a server does behind its replies, too */
        atomic_store(&control->last, kind);
    int left = atomic_load(&control->countdown);
    while (left > 0 && !atomic_compare_exchange_weak(&control->countdown, &left, left - 1))
        ;
    if (left != 1 && !(atomic_load(&control->mode) == FROM_NOW_ON && left == 0 && atomic_load(&control->fired)))
        return 0;
    if (atomic_fetch_add(&control->fired, 1) == 0)
        atomic_store(&control->first, kind);
    errno = atomic_load(&control->error);
    return 1;
}

static int fd_fails(int fd, enum kind kind)
{
    return control && fd >= 0 && is_ours_by_fd(fd, kind) && fails(kind);
}

static int path_fails(const char *path, enum kind kind)
{
    return control && is_ours(path, kind) && fails(kind);
}

/* A full disk takes what still fits: half is written, and what SQLite then writes of the rest fails. */
static size_t torn(size_t size)
{
    if (atomic_load(&control->mode) != TORN || size < 2)
        return 0;
    atomic_store(&control->mode, ONCE);
    atomic_store(&control->countdown, 1);
    return size / 2;
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (fd_fails(fd, WRITE) && !(size = torn(size)))
        return -1;
    return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    if (fd_fails(fd, WRITE) && !(size = torn(size)))
        return -1;
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int fsync(int fd)
{
    return fd_fails(fd, SYNC) ? -1 : syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fd_fails(fd, SYNC) ? -1 : syscall(SYS_fdatasync, fd);
}

int ftruncate64(int fd, off64_t size)
{
    return fd_fails(fd, TRUNCATE) ? -1 : syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int unlink(const char *path)
{
    return path_fails(path, UNLINK) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

#define TAKES_MODE(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = TAKES_MODE(flags) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if ((flags & O_ACCMODE) != O_RDONLY && path_fails(path, OPEN))
        return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = TAKES_MODE(flags) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open64(path, flags, mode);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
    if (fd_fails(fd, MAP))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return mmap64(address, size, protection, flags, fd, offset);
}

/* hangfs CONTROL MOUNTPOINT: a file system that hangs on demand. It holds one file, "file". While the file CONTROL says
 * "hang" every call waits, in the kernel's uninterruptible way for whoever asked; "eio" makes calls fail; else all is well. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *control;
static const char content[] = "state: ready\n";

static int mood(void)
{
    for (;;) {
        char word[16] = "";
        FILE *f = fopen(control, "re");
        if (f) {
            if (!fgets(word, sizeof word, f))
                word[0] = 0;
            fclose(f);
        }
        if (strncmp(word, "hang", 4) != 0)
            return strncmp(word, "eio", 3) ? 0 : -EIO;
        usleep(5000);
    }
}

static int hang_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
    (void)info;
    int error = mood();
    if (error)
        return error;
    bool root = !strcmp(path, "/");
    if (!root && strcmp(path, "/file") != 0)
        return -ENOENT;
    *st = (struct stat){ .st_mode = root ? S_IFDIR | 0755 : S_IFREG | 0644, .st_nlink = 1, .st_size = root ? 0 : (off_t)(sizeof content - 1) };
    return 0;
}

static int hang_statfs(const char *path, struct statvfs *st)
{
    (void)path;
    *st = (struct statvfs){ .f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1000, .f_bfree = 500, .f_bavail = 500, .f_files = 100, .f_ffree = 50, .f_namemax = 255 };
    return mood();
}

static int hang_open(const char *path, struct fuse_file_info *info)
{
    (void)path, (void)info;
    return mood();
}

static int hang_read(const char *path, char *room, size_t size, off_t from, struct fuse_file_info *info)
{
    (void)path, (void)info;
    int error = mood();
    if (error || from < 0 || (size_t)from >= sizeof content - 1)
        return error;
    size_t n = sizeof content - 1 - (size_t)from;
    n = n < size ? n : size;
    memcpy(room, content + from, n);
    return (int)n;
}

static const struct fuse_operations operations = { .getattr = hang_getattr, .statfs = hang_statfs, .open = hang_open, .read = hang_read };

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: hangfs CONTROL MOUNTPOINT\n");
        return 2;
    }
    control = argv[1];
    char *args[] = { argv[0], "-f", "-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0,auto_unmount", argv[2], NULL };
    return fuse_main(5, args, &operations, NULL);
}

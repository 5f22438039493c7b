/* Makes the certificates of a server that was given none. */
#ifndef BASE_NET_TLS_FILES_H
#define BASE_NET_TLS_FILES_H

#include <stddef.h>
#include "base/err.h"

/* Makes dir and in it ca.pem, ca.key, server.pem, server.key, unless server.pem and server.key are
 * there. Keys are P-256, mode 0600; the leaf is valid for ten years and signed by the CA beside it.
 * Errors: ERR_DISK - dir or a file cannot be written; ERR_UNKNOWN_SERVER_ERROR - OpenSSL failed.
 * Thread: any; files only. */
enum err tls_files_make(const char *dir);
/* dir/name into ret_path. Errors: ERR_CONFIG - too long. Thread: any. */
enum err tls_files_path(const char *dir, const char *name, char *ret_path, size_t cap);

#endif

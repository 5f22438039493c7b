#include "base/net/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"

enum { DAYS = 3650, SERIAL_BYTES = 16 };

static void keyp(EVP_PKEY **p) { EVP_PKEY_free(*p); }
static void certp(X509 **p) { X509_free(*p); }
static void filep(FILE **p)
{
    if (*p != NULL) fclose(*p);
}

enum err tls_files_path(const char *dir, const char *name, char *ret_path, size_t cap)
{
    int len = snprintf(ret_path, cap, "%s/%s", dir, name);
    return len > 0 && (size_t)len < cap ? ERR_OK : ERR_CONFIG;
}

/* Written beside and renamed, so that a crash leaves no half file that a later start would trust.
 * Not synced: what a power cut may take away is made again. */
static enum err write_pem(const char *dir, const char *name, mode_t mode, EVP_PKEY *key, X509 *cert,
                          X509 *issuer)
{
    char path[4096], beside[4096 + 8];
    TRY(tls_files_path(dir, name, path, sizeof path));
    snprintf(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) return ERR_DISK;
    CLEANUP(filep) FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return ERR_DISK;
    }
    if (key != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1)
        return ERR_DISK;
    if (cert != NULL && PEM_write_X509(file, cert) != 1) return ERR_DISK;
    if (issuer != NULL && PEM_write_X509(file, issuer) != 1) return ERR_DISK;
    if (fchmod(fd, mode) != 0 || fflush(file) != 0) return ERR_DISK;
    return rename(beside, path) == 0 ? ERR_OK : ERR_DISK;
}

static bool extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL) return false;
    bool done = X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_serial(X509 *cert)
{
    unsigned char random[SERIAL_BYTES];
    if (RAND_bytes(random, sizeof random) != 1) return false;
    random[0] &= 0x7f;                       /* a serial number is positive */
    BIGNUM *number = BN_bin2bn(random, sizeof random, NULL);
    bool done = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return done;
}

static X509 *cert_new(const char *name, EVP_PKEY *key, X509 *issuer)
{
    X509 *cert = X509_new();
    if (cert == NULL) return NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    bool done = X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -24 * 3600) != NULL &&
                X509_time_adj_ex(X509_getm_notAfter(cert), DAYS, 0, NULL) != NULL &&
                X509_set_pubkey(cert, key) == 1 &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)name, -1, -1, 0) == 1 &&
                X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) == 1;
    if (done) return cert;
    X509_free(cert);
    return NULL;
}

static bool make_ca(X509 *cert, EVP_PKEY *key)
{
    return extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           extend(cert, cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool make_leaf(X509 *cert, X509 *ca, EVP_PKEY *ca_key)
{
    char host[256] = "", names[512];
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "localhost");
    snprintf(names, sizeof names, "DNS:localhost,DNS:%s,IP:127.0.0.1,IP:::1", host);
    return extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           extend(cert, ca, NID_ext_key_usage, "serverAuth") &&
           extend(cert, ca, NID_subject_alt_name, names) &&
           extend(cert, ca, NID_subject_key_identifier, "hash") &&
           extend(cert, ca, NID_authority_key_identifier, "keyid") &&
           X509_sign(cert, ca_key, EVP_sha256()) > 0;
}

static bool there(const char *dir, const char *name)
{
    char path[4096];
    struct stat st;
    return tls_files_path(dir, name, path, sizeof path) == ERR_OK && stat(path, &st) == 0 &&
           st.st_size > 0;
}

enum err tls_files_make(const char *dir)
{
    if (there(dir, "server.pem") && there(dir, "server.key")) return ERR_OK;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return ERR_DISK;
    CLEANUP(keyp) EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    CLEANUP(keyp) EVP_PKEY *key = EVP_EC_gen("P-256");
    if (ca_key == NULL || key == NULL) return ERR_UNKNOWN_SERVER_ERROR;
    CLEANUP(certp) X509 *ca = cert_new("Diglot development CA", ca_key, NULL);
    if (ca == NULL || !make_ca(ca, ca_key)) return ERR_UNKNOWN_SERVER_ERROR;
    CLEANUP(certp) X509 *leaf = cert_new("localhost", key, ca);
    if (leaf == NULL || !make_leaf(leaf, ca, ca_key)) return ERR_UNKNOWN_SERVER_ERROR;
    TRY(write_pem(dir, "ca.key", 0600, ca_key, NULL, NULL));
    TRY(write_pem(dir, "ca.pem", 0644, NULL, ca, NULL));
    TRY(write_pem(dir, "server.key", 0600, key, NULL, NULL));
    /* Last: it says that all is there. */
    return write_pem(dir, "server.pem", 0644, NULL, leaf, ca);
}

#include "base/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/net/tls_files.h"
#include "base/net/tls_inner.h"
#include "base/check.h"

struct tls {
    SSL_CTX *ctx;
};

/* Protocols that we speak inside, as ALPN writes them, the better one first. */
static const unsigned char alpn[] = "\x02h2\x08http/1.1";

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *context)
{
    (void)context;
    /* Only HTTP doors have names to agree on; elsewhere the extension is ignored. */
    if (SSL_get_app_data(ssl) == NULL) return SSL_TLSEXT_ERR_NOACK;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, alpn, sizeof alpn - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;     /* the first bytes will tell */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The first thing that went wrong: what follows it names only who passed it on. */
static const char *why(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code)) return strerror(ERR_GET_REASON(code));
    const char *text = ERR_reason_error_string(code);
    return text != NULL ? text : "unknown";
}

static enum err load(SSL_CTX *ctx, const char *cert_path, const char *key_path)
{
    ERR_clear_error();
    const char *wrong = NULL;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1) wrong = cert_path;
    else if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1) wrong = key_path;
    else if (SSL_CTX_check_private_key(ctx) != 1) wrong = key_path;
    if (wrong == NULL) return ERR_OK;
    log_error("TLS certificate or key cannot be used", {"file", LOG_S(wrong)},
              {"reason", LOG_S(why())});
    ERR_clear_error();
    return ERR_CONFIG;
}

static enum err load_config(SSL_CTX *ctx, const struct tls_config *config)
{
    if ((config->cert_path == NULL) != (config->key_path == NULL)) return ERR_CONFIG;
    if (config->cert_path != NULL) return load(ctx, config->cert_path, config->key_path);
    if (config->dir == NULL) return ERR_CONFIG;
    char cert[4096], key[4096];
    TRY(tls_files_path(config->dir, "server.pem", cert, sizeof cert));
    TRY(tls_files_path(config->dir, "server.key", key, sizeof key));
    TRY(tls_files_make(config->dir));
    return load(ctx, cert, key);
}

enum err tls_new(const struct tls_config *config, struct tls **ret_tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) return ERR_UNKNOWN_SERVER_ERROR;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* Others cost up to 150 ms of a loop for one hello of a client's (finite fields). */
    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
    /* Clients hang up without close_notify all the time: an end is an end. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    static const unsigned char session_id[] = "diglot";
    SSL_CTX_set_session_id_context(ctx, session_id, sizeof session_id - 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);     /* tickets need no table of ours */
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    enum err err = load_config(ctx, config);
    if (err != ERR_OK) {
        SSL_CTX_free(ctx);
        return err;
    }
    struct tls *tls = NEW(struct tls);
    tls->ctx = ctx;
    *ret_tls = tls;
    return ERR_OK;
}

struct tls_start {
    pthread_t thread;
    const struct tls_config *config;
    struct tls *tls;
    enum err err;
};

static void *start_main(void *context)
{
    struct tls_start *start = context;
    pthread_setname_np(pthread_self(), "tls");
    start->err = tls_new(start->config, &start->tls);
    return NULL;
}

struct tls_start *tls_start(const struct tls_config *config)
{
    struct tls_start *start = NEW(struct tls_start);
    start->config = config;
    if (pthread_create(&start->thread, NULL, start_main, start) != 0) abort();
    return start;
}

enum err tls_started(struct tls_start *start, struct tls **ret_tls)
{
    pthread_join(start->thread, NULL);
    enum err err = start->err;
    if (err == ERR_OK) *ret_tls = start->tls;
    mem_free(start);
    return err;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) return;
    SSL_CTX_free(tls->ctx);
    mem_free(tls);
}

SSL *tls_session(struct tls *tls, int fd, bool http)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(tls->ctx);
    if (ssl == NULL) return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_app_data(ssl, http ? tls : NULL);
    SSL_set_accept_state(ssl);
    return ssl;
}

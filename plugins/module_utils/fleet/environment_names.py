# SPDX-License-Identifier: GPL-3.0-or-later
"""Every environment variable that Mastodon 4.3 to 4.7 reads in production: the contract as data.

Where a series is named, the variable is read from that series on (``since``) or no longer from it on (``removed``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .environment_kinds import (
    ALIAS,
    ANYTHING,
    BOOLEAN,
    DOMAIN,
    HOST_NAME,
    HOST_OR_URL,
    HOSTS,
    NETWORKS,
    NUMBER,
    PATH,
    PIPED_HOSTS,
    PORT,
    SECRET,
    SOCKET_URL,
    TEXT,
    TEXTS,
    URL,
    URL_WITH_PASSWORD,
    URLS,
    Kind,
    choice,
    integer,
    long_secret,
)

SERIES = ("4.3", "4.4", "4.5", "4.6", "4.7")
MANY = 2**31 - 1


@dataclass(frozen=True)
class Variable:
    """One name of the contract."""

    name: str
    kind: Kind
    about: str
    required: bool = False
    since: str = ""
    removed: str = ""
    note: str = ""


V = Variable

IDENTITY = (
    V("LOCAL_DOMAIN", DOMAIN, "the domain of every handle; it can never change", required=True),
    V("WEB_DOMAIN", DOMAIN, "the domain of the web site, where it is not that of the handles"),
    V("ALTERNATE_DOMAINS", HOSTS, "other domains under which the server recognises itself"),
    V("SINGLE_USER_MODE", BOOLEAN, "the front page is the first profile, and nobody registers"),
    V("AUTHORIZED_FETCH", BOOLEAN, "secure mode: others sign what they fetch"),
    V("LIMITED_FEDERATION_MODE", BOOLEAN, "federate with allowed servers only"),
    V("WHITELIST_MODE", BOOLEAN, "old name of LIMITED_FEDERATION_MODE", note="use LIMITED_FEDERATION_MODE"),
    V("DISALLOW_UNAUTHENTICATED_API_ACCESS", BOOLEAN, "no public API without an account"),
    V("DISABLE_AUTOMATIC_SWITCHING_TO_APPROVED_REGISTRATIONS", BOOLEAN, "registrations stay open without moderators"),
    V("DEFAULT_LOCALE", TEXT, "language of visitors who ask for none"),
    V("FORCE_DEFAULT_LOCALE", BOOLEAN, "the default language whatever the browser asks", since="4.4"),
    V("ALLOWED_PRIVATE_ADDRESSES", NETWORKS, "private addresses that the server may send requests to"),
    V("TRUSTED_PROXY_IP", NETWORKS, "the proxies whose word on a visitor's address counts", required=True),
    V("SELF_DESTRUCT", SECRET, "the signed wish to erase this server from the network"),
    V("EXPERIMENTAL_FEATURES", TEXTS, "features that are not ready", since="4.4"),
    V("UPDATE_CHECK_URL", ANYTHING, "where to ask for new versions; empty = never"),
    V("SOURCE_BASE_URL", URL, "where the source can be seen"),
    V("GITHUB_REPOSITORY", TEXT, "where the source can be seen, as owner/name"),
    V("SOURCE_TAG", TEXT, "the source's tag"),
    V("SOURCE_COMMIT", TEXT, "the source's commit"),
    V("MASTODON_VERSION_METADATA", TEXT, "what the version says after +"),
    V("MASTODON_VERSION_PRERELEASE", TEXT, "what the version says after -"),
    V("DONATION_CAMPAIGNS_URL", URL, "where donation campaigns come from", since="4.4"),
    V("DONATION_CAMPAIGNS_ENVIRONMENT", TEXT, "which donation campaigns", since="4.4"),
)

SECRETS = (
    V("SECRET_KEY_BASE", long_secret(32), "signs sessions; the same on every host", required=True),
    V(
        "OTP_SECRET",
        long_secret(32),
        "two-factor secrets of before 4.4",
        note="4.4 and later read it once, in the migration of an instance that is older than 4.3; take it out after that",
    ),
    V("VAPID_PRIVATE_KEY", SECRET, "signs push messages", required=True),
    V("VAPID_PUBLIC_KEY", TEXT, "tells browsers whose push messages to take", required=True),
    V("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", long_secret(12), "encrypts columns; can never change", required=True),
    V(
        "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
        long_secret(12),
        "encrypts columns; can never change",
        required=True,
    ),
    V(
        "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
        long_secret(12),
        "encrypts columns; can never change",
        required=True,
    ),
    V("MIGRATION_IGNORE_INVALID_OTP_SECRET", BOOLEAN, "lose two-factor secrets that cannot be read"),
)

PROCESSES = (
    V("RAILS_LOG_LEVEL", choice("debug", "info", "warn", "error", "fatal", "unknown"), "how much web and Sidekiq log"),
    V(
        "LOG_LEVEL",
        choice("silly", "trace", "debug", "verbose", "info", "warn", "error", "fatal", "silent"),
        "how much streaming logs",
    ),
    V("RAILS_SERVE_STATIC_FILES", BOOLEAN, "Puma serves public/ where no proxy has the files"),
    V("PERSISTENT_TIMEOUT", integer(1, 3600), "seconds that Puma keeps an idle connection"),
    V("PROXY_PROTO_V1", BOOLEAN, "Puma expects the PROXY protocol"),
    V("SENDFILE_HEADER", choice("X-Sendfile", "X-Accel-Redirect"), "the proxy sends files for Puma"),
    V("STREAMING_API_BASE_URL", SOCKET_URL, "where browsers find the streaming server"),
    V("CDN_HOST", URL, "where browsers find the static assets"),
    V("BACKTRACE", choice("1"), "full backtraces"),
    V("MASTODON_USE_LIBVIPS", BOOLEAN, "libvips makes the thumbnails", removed="4.6"),
    V("FFMPEG_BINARY", PATH, "the ffmpeg program"),
    V("FFPROBE_BINARY", PATH, "the ffprobe program"),
    V("MAX_REQUEST_POOL_SIZE", integer(1, 65535), "connections to other servers per process"),
    V("LOCAL_HTTPS", BOOLEAN, "https outside production"),
    V("RUBY_YJIT_ENABLE", choice("1", "0"), "compile Ruby while it runs"),
    V("TZ", TEXT, "time zone of the processes"),
)

DATABASE = (
    V("DB_HOST", HOST_NAME, "the database, or the pooler in front of it"),
    V("DB_PORT", PORT, "its port"),
    V("DB_NAME", TEXT, "the database's name"),
    V("DB_USER", TEXT, "the role that the application logs in as"),
    V("DB_PASS", SECRET, "its password"),
    V("DB_SSLMODE", choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify"), "TLS"),
    V("DATABASE_URL", URL_WITH_PASSWORD, "all of the above in one; it wins over them"),
    V("PREPARED_STATEMENTS", BOOLEAN, "false behind a pooler that shares connections between transactions"),
    V("QUERY_LOG_TAGS_ENABLED", BOOLEAN, "queries say where they come from", since="4.4"),
    V("REPLICA_DB_HOST", HOST_NAME, "a read-only copy of the database"),
    V("REPLICA_DB_PORT", PORT, "its port"),
    V("REPLICA_DB_NAME", TEXT, "its name"),
    V("REPLICA_DB_USER", TEXT, "the role there"),
    V("REPLICA_DB_PASS", SECRET, "its password"),
    V("REPLICA_DATABASE_URL", URL_WITH_PASSWORD, "all of the above in one; it wins over them"),
    V("REPLICA_PREPARED_STATEMENTS", BOOLEAN, "as PREPARED_STATEMENTS, for the copy", since="4.4"),
    V("REPLICA_DB_TASKS", BOOLEAN, "false: no migrations on the copy", since="4.4"),
    V("PGHERO_STATS_DATABASE_URL", URL_WITH_PASSWORD, "where PgHero keeps its history"),
)


def redis(prefix: str, whose: str) -> Iterator[Variable]:
    """Yield the names of one of the three Redis roles."""
    yield V(f"{prefix}REDIS_HOST", HOST_NAME, f"Redis for {whose}")
    yield V(f"{prefix}REDIS_PORT", PORT, "its port")
    yield V(f"{prefix}REDIS_DB", integer(0, 1023), "its database")
    yield V(f"{prefix}REDIS_USER", TEXT, "the user there")
    yield V(f"{prefix}REDIS_PASSWORD", SECRET, "the password there")
    yield V(f"{prefix}REDIS_URL", URL_WITH_PASSWORD, "all of the above in one; it wins over them and over sentinels")
    yield V(f"{prefix}REDIS_SENTINELS", TEXTS, "sentinels as host or host:port")
    yield V(f"{prefix}REDIS_SENTINEL_MASTER", TEXT, "the name that the sentinels watch")
    yield V(f"{prefix}REDIS_SENTINEL_PORT", PORT, "the sentinels' port")
    yield V(f"{prefix}REDIS_SENTINEL_USERNAME", TEXT, "the user at the sentinels")
    yield V(f"{prefix}REDIS_SENTINEL_PASSWORD", SECRET, "the password at the sentinels")
    yield V(
        f"{prefix}REDIS_NAMESPACE",
        TEXT,
        "a prefix of all keys",
        removed="4.4",
        note="Sidekiq 7 has no namespaces: use a database or an instance of its own",
    )


REDIS = (
    *redis("", "feeds, streaming and all that has no instance of its own"),
    *redis("CACHE_", "the cache"),
    *redis("SIDEKIQ_", "the queues"),
    V("REDIS_DRIVER", choice("hiredis", "ruby"), "ruby is needed for rediss://"),
)

OBJECT_STORAGE = (
    V("S3_ENABLED", BOOLEAN, "media are in a bucket and not on this host's disk"),
    V("S3_BUCKET", TEXT, "the bucket"),
    V("S3_REGION", TEXT, "its region"),
    V("S3_ENDPOINT", URL, "where media are written: the write name"),
    V("S3_PROTOCOL", choice("https", "http"), "how media are read"),
    V("S3_HOSTNAME", HOST_NAME, "where media are read if there is no alias"),
    V("S3_ALIAS_HOST", ALIAS, "where media are read: the read name, in every URL"),
    V("S3_CLOUDFRONT_HOST", ALIAS, "old name of S3_ALIAS_HOST", note="use S3_ALIAS_HOST"),
    V("AWS_ACCESS_KEY_ID", TEXT, "who writes"),
    V("AWS_SECRET_ACCESS_KEY", SECRET, "the key of who writes"),
    V("S3_SIGNATURE_VERSION", choice("v4", "s3"), "how requests are signed"),
    V("S3_OVERRIDE_PATH_STYLE", BOOLEAN, "true = the bucket is in the host name"),
    V("S3_PERMISSION", ANYTHING, "the ACL of media; empty = none"),
    V("S3_OPEN_TIMEOUT", integer(1, 300), "seconds to connect"),
    V("S3_READ_TIMEOUT", integer(1, 300), "seconds to wait for an answer"),
    V("S3_RETRY_LIMIT", integer(0, 3), "attempts after the first"),
    V("S3_FORCE_SINGLE_REQUEST", BOOLEAN, "no downloads in parts"),
    V("S3_ENABLE_CHECKSUM_MODE", BOOLEAN, "ask for checksums"),
    V("S3_MULTIPART_THRESHOLD", integer(1, MANY), "bytes from which uploads go in parts"),
    V("S3_STORAGE_CLASS", TEXT, "the provider's storage class"),
    V("S3_BATCH_DELETE_LIMIT", integer(1, 1000), "keys per delete request"),
    V("S3_BATCH_DELETE_RETRY", integer(0, 100), "attempts to delete"),
    V(
        "S3_KEY_PREFIX",
        TEXT,
        "a folder for all keys",
        note="tootctl media remove-orphans takes prefixed keys for strangers: give the site a bucket of its own",
    ),
    V("EXTRA_MEDIA_HOSTS", URLS, "further hosts that pages may load media from", since="4.4"),
    V("PAPERCLIP_ROOT_PATH", PATH, "where media are on disk"),
    V("PAPERCLIP_ROOT_URL", TEXT, "the path of media on disk in URLs"),
    V("SWIFT_ENABLED", BOOLEAN, "media are in OpenStack Swift"),
    V("SWIFT_USERNAME", TEXT, "who writes"),
    V("SWIFT_TENANT", TEXT, "the tenant"),
    V("SWIFT_PASSWORD", SECRET, "the password of who writes"),
    V("SWIFT_PROJECT_ID", TEXT, "the project"),
    V("SWIFT_AUTH_URL", URL, "Keystone"),
    V("SWIFT_CONTAINER", TEXT, "the container"),
    V("SWIFT_OBJECT_URL", URL, "where media are read"),
    V("SWIFT_REGION", TEXT, "the region"),
    V("SWIFT_DOMAIN_NAME", TEXT, "the domain"),
    V("SWIFT_CACHE_TTL", integer(0, MANY), "seconds that answers are kept"),
    V("SWIFT_TEMP_URL_KEY", SECRET, "signs temporary URLs"),
    V("AZURE_ENABLED", BOOLEAN, "media are in Azure"),
    V("AZURE_STORAGE_ACCOUNT", TEXT, "the account"),
    V("AZURE_STORAGE_ACCESS_KEY", SECRET, "its key"),
    V("AZURE_CONTAINER_NAME", TEXT, "the container"),
    V("AZURE_ALIAS_HOST", ALIAS, "where media are read"),
    V("CACHE_BUSTER_ENABLED", BOOLEAN, "tell the cache when media are gone"),
    V("CACHE_BUSTER_HTTP_METHOD", TEXT, "by which method"),
    V("CACHE_BUSTER_SECRET_HEADER", TEXT, "with which header"),
    V("CACHE_BUSTER_SECRET", SECRET, "and which value of it"),
)


def mail(prefix: str, since: str = "") -> Iterator[Variable]:
    """Yield the names of one way out for mail."""
    yield V(f"{prefix}SMTP_SERVER", HOST_NAME, "the mail server", since=since)
    yield V(f"{prefix}SMTP_PORT", PORT, "its port", since=since)
    yield V(f"{prefix}SMTP_LOGIN", TEXT, "the user there", since=since)
    yield V(f"{prefix}SMTP_PASSWORD", SECRET, "the password there", since=since)
    yield V(f"{prefix}SMTP_DOMAIN", TEXT, "how this server greets", since=since)
    yield V(f"{prefix}SMTP_AUTH_METHOD", choice("plain", "login", "cram_md5", "none"), "how it logs in", since=since)
    yield V(f"{prefix}SMTP_CA_FILE", PATH, "certificates that it trusts", since=since)
    yield V(
        f"{prefix}SMTP_OPENSSL_VERIFY_MODE",
        choice("none", "peer", "client_once", "fail_if_no_peer_cert"),
        "whether it looks at the certificate",
        since=since,
    )
    yield V(f"{prefix}SMTP_ENABLE_STARTTLS", choice("auto", "always", "never"), "STARTTLS", since=since)
    yield V(f"{prefix}SMTP_ENABLE_STARTTLS_AUTO", BOOLEAN, "STARTTLS where it is offered", since=since)
    yield V(f"{prefix}SMTP_TLS", BOOLEAN, "TLS from the start", since=since)
    yield V(f"{prefix}SMTP_SSL", BOOLEAN, "TLS from the start", since=since)


MAIL = (
    *mail(""),
    V("SMTP_FROM_ADDRESS", TEXT, "who writes", required=True),
    V("SMTP_REPLY_TO", TEXT, "who gets answers"),
    V("SMTP_RETURN_PATH", TEXT, "who gets bounces"),
    V("SMTP_DELIVERY_METHOD", choice("smtp", "sendmail", "file", "test"), "how mail leaves"),
    *mail("BULK_", since="4.4"),
)

SEARCH = (
    V("ES_ENABLED", BOOLEAN, "search with Elasticsearch"),
    V("ES_HOST", HOST_OR_URL, "where it is"),
    V("ES_PORT", PORT, "its port"),
    V("ES_USER", TEXT, "the user there"),
    V("ES_PASS", SECRET, "the password there"),
    V("ES_PREFIX", TEXT, "a prefix of all indexes"),
    V("ES_PRESET", choice("single_node_cluster", "small_cluster", "large_cluster"), "shards and replicas"),
    V("ES_CA_FILE", PATH, "certificates that it trusts"),
    V("ES_QUERY_TIMEOUT", TEXT, "how long a query may take", since="4.7"),
)

TELEMETRY = (
    V("MASTODON_PROMETHEUS_EXPORTER_ENABLED", BOOLEAN, "web and Sidekiq report metrics", since="4.4"),
    V("MASTODON_PROMETHEUS_EXPORTER_LOCAL", BOOLEAN, "each process serves its own", since="4.4"),
    V("MASTODON_PROMETHEUS_EXPORTER_HOST", HOST_NAME, "where it serves them", since="4.4"),
    V("MASTODON_PROMETHEUS_EXPORTER_WEB_DETAILED_METRICS", BOOLEAN, "per controller", since="4.4"),
    V("MASTODON_PROMETHEUS_EXPORTER_SIDEKIQ_DETAILED_METRICS", BOOLEAN, "per job and queue", since="4.4"),
    V("PROMETHEUS_EXPORTER_HOST", HOST_NAME, "who collects the metrics", since="4.4"),
    V("PROMETHEUS_EXPORTER_PORT", PORT, "the collector's port", since="4.4"),
    V("OTEL_EXPORTER_OTLP_ENDPOINT", URL, "where traces go; unset = none"),
    V("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", URL, "where traces go; unset = none"),
    V("OTEL_EXPORTER_OTLP_HEADERS", SECRET, "headers sent with traces"),
    V("OTEL_EXPORTER_OTLP_PROTOCOL", choice("http/protobuf"), "how traces are sent"),
    V("OTEL_EXPORTER_OTLP_COMPRESSION", choice("gzip", "none"), "how traces are sent"),
    V("OTEL_EXPORTER_OTLP_TIMEOUT", integer(1, 600), "seconds to send traces"),
    V(
        "OTEL_TRACES_SAMPLER",
        choice(
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ),
        "which traces are kept",
    ),
    V("OTEL_TRACES_SAMPLER_ARG", NUMBER, "how many of them"),
    V("OTEL_RESOURCE_ATTRIBUTES", TEXT, "what every trace says"),
    V("OTEL_SERVICE_NAME_PREFIX", TEXT, "name of the service before web and sidekiq"),
    V("OTEL_SERVICE_NAME_SEPARATOR", TEXT, "what is between them"),
)

SIGN_IN = (
    V("OMNIAUTH_ONLY", BOOLEAN, "accounts come from outside only"),
    V("ONE_CLICK_SSO_LOGIN", BOOLEAN, "one button to sign in"),
    V("ALLOW_UNSAFE_AUTH_PROVIDER_REATTACH", BOOLEAN, "the same address at another provider is the same person"),
    V("SSO_ACCOUNT_SIGN_UP", URL, "where accounts are made"),
    V("SSO_ACCOUNT_SETTINGS", URL, "where accounts are changed"),
    V("LDAP_ENABLED", BOOLEAN, "sign in by LDAP"),
    V("LDAP_HOST", HOST_NAME, "the directory"),
    V("LDAP_PORT", PORT, "its port"),
    V("LDAP_METHOD", choice("simple_tls", "start_tls", "plain"), "how it is reached"),
    V("LDAP_BASE", TEXT, "where people are"),
    V("LDAP_BIND_DN", TEXT, "who asks"),
    V("LDAP_PASSWORD", SECRET, "the password of who asks"),
    V("LDAP_UID", TEXT, "the attribute with the user name"),
    V("LDAP_MAIL", TEXT, "the attribute with the mail address"),
    V("LDAP_SEARCH_FILTER", TEXT, "how a person is found"),
    V("LDAP_TLS_NO_VERIFY", BOOLEAN, "do not look at the certificate"),
    V("LDAP_UID_CONVERSION_ENABLED", BOOLEAN, "replace characters in user names"),
    V("LDAP_UID_CONVERSION_SEARCH", ANYTHING, "these"),
    V("LDAP_UID_CONVERSION_REPLACE", ANYTHING, "by this"),
    V("PAM_ENABLED", BOOLEAN, "sign in by PAM"),
    V("PAM_EMAIL_DOMAIN", DOMAIN, "domain of people's addresses"),
    V("PAM_DEFAULT_SERVICE", TEXT, "the PAM service"),
    V("PAM_CONTROLLED_SERVICE", TEXT, "the PAM service that says who may register"),
    V("CAS_ENABLED", BOOLEAN, "sign in by CAS"),
    *(
        V(f"CAS_{name}", TEXT, "CAS: " + name.lower().replace("_", " "))
        for name in (
            "DISPLAY_NAME",
            "HOST",
            "UID_FIELD",
            "CA_PATH",
            "UID_KEY",
            "NAME_KEY",
            "EMAIL_KEY",
            "NICKNAME_KEY",
            "FIRST_NAME_KEY",
            "LAST_NAME_KEY",
            "LOCATION_KEY",
            "IMAGE_KEY",
            "PHONE_KEY",
        )
    ),
    *(
        V(f"CAS_{name}", TEXT, "CAS: " + name.lower().replace("_", " "))
        for name in ("URL", "VALIDATE_URL", "CALLBACK_URL", "LOGOUT_URL", "LOGIN_URL")
    ),
    V("CAS_PORT", PORT, "CAS: port"),
    *(
        V(f"CAS_{name}", BOOLEAN, "CAS: " + name.lower().replace("_", " "))
        for name in ("SSL", "DISABLE_SSL_VERIFICATION", "SECURITY_ASSUME_EMAIL_IS_VERIFIED")
    ),
    V("SAML_ENABLED", BOOLEAN, "sign in by SAML"),
    *(
        V(f"SAML_{name}", TEXT, "SAML: " + name.lower().replace("_", " "))
        for name in (
            "DISPLAY_NAME",
            "ISSUER",
            "IDP_SSO_TARGET_PARAMS",
            "IDP_CERT",
            "IDP_CERT_FINGERPRINT",
            "IDP_CERT_FINGERPRINT_VALIDATOR",
            "NAME_IDENTIFIER_FORMAT",
            "CERT",
            "UID_ATTRIBUTE",
            "ATTRIBUTES_STATEMENTS_UID",
            "ATTRIBUTES_STATEMENTS_EMAIL",
            "ATTRIBUTES_STATEMENTS_FIRST_NAME",
            "ATTRIBUTES_STATEMENTS_LAST_NAME",
            "ATTRIBUTES_STATEMENTS_FULL_NAME",
            "ATTRIBUTES_STATEMENTS_VERIFIED",
            "ATTRIBUTES_STATEMENTS_VERIFIED_EMAIL",
            "ALLOWED_CLOCK_DRIFT",
        )
    ),
    V("SAML_ACS_URL", URL, "SAML: where answers come back"),
    V("SAML_IDP_SSO_TARGET_URL", URL, "SAML: where questions go"),
    V("SAML_PRIVATE_KEY", SECRET, "SAML: this server's key"),
    *(
        V(f"SAML_{name}", BOOLEAN, "SAML: " + name.lower().replace("_", " "))
        for name in (
            "SECURITY_WANT_ASSERTION_SIGNED",
            "SECURITY_WANT_ASSERTION_ENCRYPTED",
            "SECURITY_ASSUME_EMAIL_IS_VERIFIED",
        )
    ),
    V("OIDC_ENABLED", BOOLEAN, "sign in by OpenID Connect"),
    *(
        V(f"OIDC_{name}", TEXT, "OIDC: " + name.lower().replace("_", " "))
        for name in (
            "DISPLAY_NAME",
            "ISSUER",
            "CLIENT_AUTH_METHOD",
            "SCOPE",
            "RESPONSE_TYPE",
            "RESPONSE_MODE",
            "DISPLAY",
            "PROMPT",
            "UID_FIELD",
            "CLIENT_ID",
            "HTTP_SCHEME",
            "HOST",
            "AUTH_ENDPOINT",
            "TOKEN_ENDPOINT",
            "USER_INFO_ENDPOINT",
            "JWKS_URI",
            "END_SESSION_ENDPOINT",
        )
    ),
    V("OIDC_CLIENT_SECRET", SECRET, "OIDC: this server's secret"),
    V("OIDC_PORT", PORT, "OIDC: port"),
    V("OIDC_REDIRECT_URI", URL, "OIDC: where answers come back"),
    V("OIDC_IDP_LOGOUT_REDIRECT_URI", URL, "OIDC: where people go after signing out"),
    *(
        V(f"OIDC_{name}", BOOLEAN, "OIDC: " + name.lower().replace("_", " "))
        for name in (
            "DISCOVERY",
            "SEND_NONCE",
            "SEND_SCOPE_TO_TOKEN_ENDPOINT",
            "SECURITY_ASSUME_EMAIL_IS_VERIFIED",
            "USE_PKCE",
        )
    ),
)

LIMITS = (
    V("HCAPTCHA_SITE_KEY", TEXT, "hCaptcha when people register"),
    V("HCAPTCHA_SECRET_KEY", SECRET, "the key at hCaptcha"),
    V("EMAIL_DOMAIN_ALLOWLIST", PIPED_HOSTS, "who may register"),
    V("EMAIL_DOMAIN_DENYLIST", PIPED_HOSTS, "who may not register", note="block domains in the administration instead"),
    V("EMAIL_DOMAIN_WHITELIST", PIPED_HOSTS, "old name of EMAIL_DOMAIN_ALLOWLIST", note="use EMAIL_DOMAIN_ALLOWLIST"),
    V(
        "EMAIL_DOMAIN_BLACKLIST",
        PIPED_HOSTS,
        "old name of EMAIL_DOMAIN_DENYLIST",
        note="block domains in the administration instead",
    ),
    V("EMAIL_DOMAIN_LISTS_APPLY_AFTER_CONFIRMATION", BOOLEAN, "look again after an address is confirmed"),
    V("DISABLE_EMAIL_SUBSCRIPTIONS", BOOLEAN, "nobody follows by mail", since="4.6"),
    V("MAX_SESSION_ACTIVATIONS", integer(1, 1000), "browsers per person"),
    V("USER_ACTIVE_DAYS", integer(1, 3650), "days that a home feed is kept ready"),
    V("MAX_FOLLOWS_THRESHOLD", integer(0, MANY), "follows before the ratio counts"),
    V("MAX_FOLLOWS_RATIO", NUMBER, "follows per follower after that"),
    V("IP_RETENTION_PERIOD", integer(1, MANY), "seconds that addresses are kept"),
    V("SESSION_RETENTION_PERIOD", integer(1, MANY), "seconds that sessions are kept"),
    V("DISABLE_FOLLOWERS_SYNCHRONIZATION", BOOLEAN, "do not compare followers with other servers"),
    *(
        V(
            f"FETCH_REPLIES_{name}",
            BOOLEAN if name == "ENABLED" else integer(0, MANY),
            "replies: " + name.lower().replace("_", " "),
            since="4.4",
            removed="4.5",
        )
        for name in ("ENABLED", "COOLDOWN_MINUTES", "INITIAL_WAIT_MINUTES", "MAX_GLOBAL", "MAX_SINGLE", "MAX_PAGES")
    ),
    V("DEEPL_API_KEY", SECRET, "translate with DeepL"),
    V("DEEPL_PLAN", choice("free", "pro"), "which DeepL"),
    V("LIBRE_TRANSLATE_ENDPOINT", URL, "translate with LibreTranslate"),
    V("LIBRE_TRANSLATE_API_KEY", SECRET, "the key there"),
    V("http_proxy", URL, "proxy for what goes out"),
    V("http_hidden_proxy", URL, "proxy for hidden services"),
    V("ALLOW_ACCESS_TO_HIDDEN_SERVICE", BOOLEAN, "federate with hidden services"),
)

# What differs between processes or is needed before the file is read, and where it belongs instead. In the file it would
# win over the units: systemd lets EnvironmentFile= override Environment=.
ELSEWHERE = {
    "RAILS_ENV": "the units set it",
    "NODE_ENV": "the units set it",
    "PORT": "the units set it, one port per process",
    "BIND": "set web_address and streaming_address",
    "SOCKET": "processes listen on addresses here",
    "WEB_CONCURRENCY": "set web_workers",
    "MAX_THREADS": "set web_threads",
    "MIN_THREADS": "set web_threads",
    "DB_POOL": "each unit has its own: set web_threads, db_pool in sidekiq_units, streaming_db_pool",
    "SIDEKIQ_CONCURRENCY": "set concurrency in sidekiq_units",
    "MASTODON_SIDEKIQ_READY_FILENAME": "the units set it",
    "MASTODON_PROMETHEUS_EXPORTER_PORT": "processes of one host need different ports: it belongs to a unit",
    "SKIP_POST_DEPLOYMENT_MIGRATIONS": "even the value false skips them; the migrations set it",
    "SECRET_KEY_BASE_DUMMY": "it replaces every secret; set it in app_build_environment",
    "BUNDLE_GEMFILE": "set it in app_build_environment and the units",
    "STREAMING_CLUSTER_NUM": "it is gone from Mastodon; set streaming_ports",
    "STATSD_ADDR": "it is gone from Mastodon since 4.3; see PROMETHEUS_EXPORTER_HOST",
    "LD_PRELOAD": "set web_preload and sidekiq_preload",
    "MALLOC_ARENA_MAX": "the units set it",
    "PATH": "the units set it",
    "HOME": "systemd sets it",
    "USER": "systemd sets it",
    "LANG": "the units set it",
    "NODE_OPTIONS": "set it in app_build_environment",
    "NODE_EXTRA_CA_CERTS": "install the certificate in the system instead (base_trusted_certificates)",
}

CONTRACT: dict[str, Variable] = {
    variable.name: variable
    for group in (
        IDENTITY,
        SECRETS,
        PROCESSES,
        DATABASE,
        REDIS,
        OBJECT_STORAGE,
        MAIL,
        SEARCH,
        TELEMETRY,
        SIGN_IN,
        LIMITS,
    )
    for variable in group
}

#!/usr/bin/env bash
# RabbitMQ: x-delivery-limit -1 means "never give a message up" to version 4, and "at once" to version 3.
#
# A quorum queue of 4.0 gives a message up after 20 failed deliveries unless it was declared with x-delivery-limit -1, the
# documented way to have no limit. 3.10, which has no limit unasked, takes the same declaration without a word, and drops
# the message when it is returned for the first time, as with a limit of 0. A client that declares its queue so to be safe on
# 4 loses what was in flight on 3.10 whenever a connection breaks. A limit nobody reaches (2147483647) is safe on both.
#
# Seen with rabbitmq-server 3.10.8-1.1+deb12u1 (Debian 12) and 4.0.5-6+deb13u2 (Debian 13), pika 1.3.2; a message is fetched
# and returned 25 times:
#   3.10.8  x-delivery-limit -1          declared; gone after the first return
#   3.10.8  no argument                  kept
#   3.10.8  x-delivery-limit 2147483647  kept
#   4.0.5   x-delivery-limit -1          kept
#   4.0.5   no argument                  gone after 21 deliveries
#   4.0.5   x-delivery-limit 2147483647  kept
#
# Needs root (the brokers run in folders of their own) and apt with a mirror of Debian.
set -euo pipefail

work=$(mktemp -d)
pids=()
# Erlang's port mapper outlives its nodes, and would refuse their names the next time.
end() {
    kill -9 "${pids[@]}" 2>/dev/null || true
    for process in /proc/[0-9]*; do
        if [[ $(readlink "$process/root" 2>/dev/null) == "$work"/* ]]; then kill -9 "${process#/proc/}" || true; fi
    done
    sleep 1
    rm -rf --one-file-system "$work" 2>/dev/null || true
}
trap end EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install pika==1.3.2

# unpack SUITE VERSION: that broker with all it needs, as the root of a file system
unpack() {
    local state=$work/$1 root=$work/$1/root
    mkdir -p "$state"/{lists,archives}/partial "$root"/{proc,dev,tmp,etc,data}
    : >"$state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$state/sources.list"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/}-security $1-security main" >>"$state/sources.list"
    local apt=(apt-get --quiet --yes -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State=$state" -o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives"
        -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1)
    "${apt[@]}" update >"$state/log" 2>&1 || true
    "${apt[@]}" --download-only install "rabbitmq-server=$2" coreutils dash grep hostname libc-bin mawk sed >>"$state/log" 2>&1
    for folder in bin sbin lib lib64; do
        mkdir -p "$root/usr/$folder"
        [[ -e $root/$folder ]] || ln -s "usr/$folder" "$root/$folder"
    done
    for package in "$state"/archives/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"; done
    ln -sf mawk "$root/usr/bin/awk"
    echo "127.0.0.1 localhost" >"$root/etc/hosts"
    echo "root:x:0:0:root:/:/bin/sh" >"$root/etc/passwd"
}

# start SUITE PORT: on loopback only
start() {
    local root=$work/$1/root
    echo "listeners.tcp.1 = 127.0.0.1:$2" >"$root/data/rabbitmq.conf"
    echo "[]." >"$root/data/enabled_plugins"
    unshare --mount sh -c "mount --rbind /proc $root/proc; mount --rbind /dev $root/dev; exec chroot $root \"\$@\"" sh \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/data LC_ALL=C.UTF-8 "RABBITMQ_NODENAME=find$2@localhost" \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_MNESIA_BASE=/data/mnesia RABBITMQ_LOG_BASE=/data/log \
        RABBITMQ_CONFIG_FILE=/data/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/data/enabled_plugins \
        RABBITMQ_PID_FILE=/data/pid "RABBITMQ_DIST_PORT=$(($2 + 1))" "ERL_EPMD_PORT=$(($2 + 2))" ERL_EPMD_ADDRESS=127.0.0.1 \
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}' \
        /usr/lib/rabbitmq/bin/rabbitmq-server >"$work/$1/console" 2>&1 &
    pids+=($!)
}

unpack bookworm 3.10.8-1.1+deb12u1
unpack trixie 4.0.5-6+deb13u2
start bookworm 21500
start trixie 21600
"$work/venv/bin/python" - <<'PY'
import time
import pika


def connect(port):
    for _ in range(180):
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))
        except pika.exceptions.AMQPError:
            time.sleep(1)
    raise SystemExit(f"no broker on {port}")


def behaviour(port, limit):
    for _ in range(30):
        try:
            return try_once(port, limit)
        except pika.exceptions.ConnectionClosedByBroker as error:
            # A node that has just started may not make quorum queues yet.
            if error.reply_code != 541:
                raise
            time.sleep(2)
    raise SystemExit("no quorum queue could be made")


def try_once(port, limit):
    connection = connect(port)
    channel = connection.channel()
    arguments = {"x-queue-type": "quorum"} | ({} if limit is None else {"x-delivery-limit": limit})
    queue = f"q{limit}"
    try:
        channel.queue_declare(queue, durable=True, arguments=arguments)
    except pika.exceptions.ChannelClosedByBroker as error:
        return f"refused with {error.reply_code}"
    channel.basic_publish("", queue, b"command")
    time.sleep(1)
    for deliveries in range(25):
        method, _, _ = channel.basic_get(queue)
        if method is None:
            return f"gone after {deliveries}"
        channel.basic_nack(method.delivery_tag, requeue=True)
        time.sleep(0.3)
    return "kept"


expected = {
    (21500, -1): "gone after 1",
    (21500, None): "kept",
    (21500, 2147483647): "kept",
    (21600, -1): "kept",
    (21600, None): "gone after 21",
    (21600, 2147483647): "kept",
}
seen = {key: behaviour(*key) for key in expected}
for (port, limit), what in seen.items():
    print("3.10.8" if port == 21500 else "4.0.5 ", f"x-delivery-limit {limit}:", what)
raise SystemExit(0 if seen == expected else "this has changed")
PY
echo "as described"

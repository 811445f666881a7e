#!/usr/bin/env bash
# RabbitMQ 3.10: a publisher whom a full quorum queue refused is refused for ever once the queue's limit is lifted.
#
# A quorum queue with max-length and overflow reject-publish tells the channels that publish to it when it is full, and they
# refuse (basic.nack) by themselves from then on. When the policy with the limit is cleared, 3.10 does not tell them that there
# is room again: a publisher that goes on with its channel, as one does after a nack, gets nothing but nacks, with an empty
# queue, while a new channel of the same connection is confirmed. 4.0 tells them. The same limit that ends because the queue was
# emptied is noticed by both. So whoever waits out a full queue has to try a new channel now and then.
#
# Seen with rabbitmq-server 3.10.8-1.1+deb12u1 (Debian 12) and 4.0.5-6+deb13u2 (Debian 13), pika 1.3.2; ten publishes each, a
# fifth of a second apart, after the queue had refused:
#   3.10.8  queue emptied, limit kept   same channel: confirmed
#   3.10.8  limit cleared               same channel: 10 of 10 refused; new channel: confirmed
#   4.0.5   queue emptied, limit kept   same channel: confirmed
#   4.0.5   limit cleared               same channel: confirmed
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

# inside SUITE PORT PROGRAM [ARGUMENT...]: runs a program of that broker
inside() {
    local root=$work/$1/root port=$2
    shift 2
    unshare --mount sh -c "mount --rbind /proc $root/proc; mount --rbind /dev $root/dev; exec chroot $root \"\$@\"" sh \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/data LC_ALL=C.UTF-8 "RABBITMQ_NODENAME=full$port@localhost" \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_MNESIA_BASE=/data/mnesia RABBITMQ_LOG_BASE=/data/log \
        RABBITMQ_CONFIG_FILE=/data/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/data/enabled_plugins \
        RABBITMQ_PID_FILE=/data/pid "RABBITMQ_DIST_PORT=$((port + 1))" "ERL_EPMD_PORT=$((port + 2))" ERL_EPMD_ADDRESS=127.0.0.1 \
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}' "$@"
}

# start SUITE PORT: on loopback only
start() {
    local root=$work/$1/root
    echo "listeners.tcp.1 = 127.0.0.1:$2" >"$root/data/rabbitmq.conf"
    echo "[]." >"$root/data/enabled_plugins"
    inside "$1" "$2" /usr/lib/rabbitmq/bin/rabbitmq-server >"$work/$1/console" 2>&1 &
    pids+=($!)
}

unpack bookworm 3.10.8-1.1+deb12u1
unpack trixie 4.0.5-6+deb13u2
start bookworm 22500
start trixie 22600
export -f inside
export work
"$work/venv/bin/python" - <<'PY'
import subprocess
import time
import pika

LIMIT = '{"max-length":1,"overflow":"reject-publish"}'


def connect(port):
    for _ in range(180):
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))
        except pika.exceptions.AMQPError:
            time.sleep(1)
    raise SystemExit(f"no broker on {port}")


def control(suite, port, *arguments):
    command = ["bash", "-c", 'inside "$@"', "bash", suite, str(port), "/usr/lib/rabbitmq/bin/rabbitmqctl", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def refused(channel, queue, tries):
    count = 0
    for _ in range(tries):
        try:
            channel.basic_publish("", queue, b"reply")
        except pika.exceptions.NackError:
            count += 1
        time.sleep(0.2)
    return count


def confirming(connection):
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


def declare(connection, queue):
    for _ in range(30):
        try:
            return connection.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        except pika.exceptions.ConnectionClosedByBroker as error:
            # A node that has just started may not make quorum queues yet.
            if error.reply_code != 541:
                raise
            time.sleep(2)
            connection = connect(connection._impl.params.port)
    raise SystemExit("no quorum queue could be made")


def fill(connection, queue):
    channel = confirming(connection)
    for _ in range(50):
        if refused(channel, queue, 1):
            return channel
    raise SystemExit("the queue never got full")


seen = {}
for suite, port in (("bookworm", 22500), ("trixie", 22600)):
    declare(connect(port), "emptied")
    declare(connect(port), "lifted")
    control(suite, port, "set_policy", "--apply-to", "queues", "full", ".*", LIMIT)
    time.sleep(2)
    connection = connect(port)
    channel = fill(connection, "emptied")
    connection.channel().queue_purge("emptied")
    time.sleep(2)
    seen[suite, "emptied"] = refused(channel, "emptied", 1)
    channel = fill(connection, "lifted")
    control(suite, port, "clear_policy", "full")
    connection.channel().queue_purge("lifted")
    time.sleep(2)
    seen[suite, "lifted"] = refused(channel, "lifted", 10)
    seen[suite, "lifted, new channel"] = refused(confirming(connection), "lifted", 10)
for what, count in seen.items():
    print(*what, "refused:", count)
expected = {
    ("bookworm", "emptied"): 0,
    ("bookworm", "lifted"): 10,
    ("bookworm", "lifted, new channel"): 0,
    ("trixie", "emptied"): 0,
    ("trixie", "lifted"): 0,
    ("trixie", "lifted, new channel"): 0,
}
raise SystemExit(0 if seen == expected else "this has changed")
PY
echo "as described"

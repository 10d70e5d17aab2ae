# shellcheck shell=bash
# What the benches of the ingress share: the program of benches/ingress, images with its app, daemons with an ingress.
# Sourced after setup.bash, which sets what is not set here.
# shellcheck disable=SC2154

# load_program: builds benches/ingress and sets `load` to it; INGRESS_BENCH=path takes another one.
load_program() {
    if [[ -n ${INGRESS_BENCH-} ]]; then
        load=$(realpath -e -- "$INGRESS_BENCH")
        return
    fi
    (cd "$root" && cargo bench --no-run --locked --bench ingress)
    load=$(cd "$root" && cargo bench --no-run --locked --bench ingress --message-format json 2>/dev/null |
        sed -n 's/.*"name":"ingress".*"executable":"\([^"]*\)".*/\1/p')
    [[ -x $load ]] || die "cargo did not say where it put the bench"
}

# app_image VERSION: an image with the app of benches/ingress and the libraries it needs, and nothing else; prints its
# name, which holds the run's random word.
app_image() {
    local name=longshore-bench/app-$run:$1 library root_file_system
    root_file_system=$scratch/app
    if [[ ! -d $root_file_system ]]; then
        mkdir -p "$root_file_system"
        cp "$load" "$root_file_system/app"
        # "name => /path (address)", and the loader as "/path (address)".
        ldd "$load" | grep --only-matching '/[^ ]*' | while read -r library; do
            mkdir -p "$root_file_system$(dirname "$library")"
            cp --dereference "$library" "$root_file_system$library"
        done
    fi
    tar -C "$root_file_system" --numeric-owner --owner=0 --group=0 -c . |
        docker import --change "ENV APP_VERSION=$1" --change 'CMD ["/app", "app"]' - "$name" >/dev/null
    echo "$name"
}

# ingress_daemon DIRECTORY [KEYS…]: writes the configuration of a daemon with an ingress at the address it sets `target` to,
# the API at `api`, its socket at `socket`. Each of KEYS is a line of [ingress].
ingress_daemon() {
    local directory=$1
    shift
    directories+=("$directory")
    mkdir -p "$directory"
    socket=$directory/api.sock
    target=127.0.0.1:$("$root/scripts/free-port")
    api=127.0.0.1:$("$root/scripts/free-port")
    {
        cat <<CONFIG
data_dir = "$directory/data"

[api]
listen = "$api"
socket = "$socket"

[docker]
host = "$engine"
address_pool = "$("$root/scripts/free-pool")"

[retention]
keep_releases = 3

[ingress]
listen = ["$target"]
CONFIG
        printf '%s\n' "$@"
    } >"$directory/config.toml"
}

# ingress_app DIRECTORY NAME DOMAIN IMAGE [KEYS…]: adds an app behind the ingress.
ingress_app() {
    local directory=$1
    {
        cat <<CONFIG

[[app]]
name = "$2"
domains = ["$3"]
image = "$4"
pull = "never"
port = 8080
health = { path = "/up", interval = "250ms", timeout = "20s" }
CONFIG
        printf '%s\n' "${@:5}"
    } >>"$directory/config.toml"
}

# longshore …: the command line of the daemon at `socket`.
longshore() { timeout --foreground 300 "$binary" --socket "$socket" "$@"; }

# served DOMAIN: the version that answers now, or nothing.
served() {
    curl --silent --max-time 5 --output /dev/null --write-out '%header{x-version}' --header "Host: $1" "http://$target/small" || true
}

# await_served DOMAIN VERSION
await_served() {
    local deadline=$((SECONDS + 30))
    until [[ $(served "$1") == "$2" ]]; do
        ((SECONDS < deadline)) || die "version $2 of $1 is not served, but '$(served "$1")'"
        sleep 0.05
    done
}

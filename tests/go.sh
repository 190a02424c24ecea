# Sourced by the suites that are Go programs: puts a Go on the path that can build them.

# The oldest minor release of Go 1 that will do, and what is fetched where there is an older one.
readonly go_least=24 go_fetched=1.24.4

# A distribution's Go may be years old, but any Go fetches a newer one: through the module proxy,
# checked against the checksum database as every module is. Where Go is new enough nothing happens.
prepare_go() {
    if ! command -v go >/dev/null; then
        echo "Go was not found; please install it (apt-get install golang-go)" >&2
        return 1
    fi
    # A module's own dependencies may ask for a Go that is newer still, which Go sees to itself.
    export GOTOOLCHAIN=auto
    local minor
    minor=$(GOTOOLCHAIN=local go version | sed -nE 's/^go version go1\.([0-9]+).*/\1/p')
    [ "${minor:-0}" -lt "$go_least" ] || return 0
    # The names of whoever sources this may be read-only.
    local go_module go_root
    go_module=golang.org/toolchain@v0.0.1-go$go_fetched.$(go env GOOS)-$(go env GOARCH)
    go_root=$(module_folder "$go_module")
    # Modules have no executable files.
    chmod +x "$go_root"/bin/* "$go_root"/pkg/tool/*/*
    unset GOROOT
    export PATH=$go_root/bin:$PATH
}

# Fetches a module; tells its folder in Go's cache.
module_folder() {
    local told
    told=$(go mod download -json "$1")
    sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$told"
}

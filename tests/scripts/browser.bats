#!/usr/bin/env bats
# scripts/lib/browser.sh with stubs: when Chromium is installed, and what is said where it can't be.

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  source "${repository}/scripts/lib/browser.sh"
  # The machine's own browser is out of sight.
  ln -s "$(command -v bash)" "$(command -v env)" "$(command -v mkdir)" "$(command -v chmod)" "$(command -v dirname)" \
    "$(command -v cat)" "$stubs"
  stub "${stubs}/id" <<<'echo 0'
  stub "${stubs}/apt-get" <<'EOT'
record "$*"
[[ -z "${apt_fails:-}" ]] || exit 100
if [[ "$1" == install ]]; then
  for name in chromium chromedriver; do
    echo >"$(dirname "$0")/${name}" && chmod +x "$(dirname "$0")/${name}"
  done
fi
EOT
}

in_stubs() {
  PATH="$stubs" "$@"
}

@test "a browser that is there is kept" {
  stub "${stubs}/chromium" <<<''
  stub "${stubs}/chromedriver" <<<''
  run in_stubs install_browser
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  [ ! -s "$calls" ]
}

@test "where apt-get is there it installs the browser" {
  in_stubs install_browser
  expect_lines "$calls" "update -qq" "install -y -qq --no-install-recommends chromium chromium-driver"
}

@test "a user who is not root goes through sudo" {
  stub "${stubs}/id" <<<'echo 1000'
  stub "${stubs}/sudo" <<<'record "sudo $*"; shift; exec "$@"'
  in_stubs install_browser
  expect_lines "$calls" "sudo -n apt-get update -qq" "update -qq" \
    "sudo -n apt-get install -y -qq --no-install-recommends chromium chromium-driver" \
    "install -y -qq --no-install-recommends chromium chromium-driver"
}

@test "where it can't be installed that is said, and the checks go on" {
  apt_fails=1 run in_stubs install_browser
  [ "$status" -eq 0 ]
  [[ "$output" == *"warning: no Chromium with its driver: install chromium and chromedriver"* ]]
}

@test "without apt-get that is said too" {
  rm "${stubs}/apt-get"
  run in_stubs install_browser
  [ "$status" -eq 0 ]
  [[ "$output" == *"apt-get install chromium chromium-driver"* ]]
}

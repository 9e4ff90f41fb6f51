# shellcheck shell=bash
# Sourced after common.sh by run_tests.sh: the browser in which the page of a report is tested.
set -euo pipefail

has_browser() {
  command -v chromedriver >/dev/null &&
    { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
}

# Install Chromium and its driver where apt-get can; elsewhere say what is missing, and let the tests fail.
install_browser() {
  local as_root=()
  if has_browser; then
    return
  fi
  if [[ "$(id -u)" != 0 ]]; then
    as_root=(sudo -n)
  fi
  if command -v apt-get >/dev/null; then
    echo "installing chromium and chromium-driver with apt-get"
    "${as_root[@]}" apt-get update -qq &&
      "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null || true
  fi
  if ! has_browser; then
    echo "warning: no Chromium with its driver: install chromium and chromedriver (Debian: apt-get install chromium" \
      "chromium-driver), or the tests of the report's page fail" >&2
  fi
}

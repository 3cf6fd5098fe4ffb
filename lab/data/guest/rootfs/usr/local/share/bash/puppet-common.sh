#!/bin/bash
# Stand-in for the site's shell library that Spicerack sources: the same names, answered without Puppet.
PUPPET_STATE=/var/lib/puppet/state
PUPPETLOCK=$PUPPET_STATE/agent_catalog_run.lock
PUPPET_DISABLEDLOCK=$PUPPET_STATE/agent_disabled.lock
PUPPET_SUMMARY=$PUPPET_STATE/last_run_summary.yaml

puppet_is_running() {
    [ -e "$PUPPETLOCK" ]
}

wait_for_puppet() {
    local left=${1:-30}
    while puppet_is_running; do
        [ "$((left--))" -gt 0 ] || return 1
        sleep 10
    done
}

last_run_success() {
    grep -qs '^  failed: 0$' "$PUPPET_SUMMARY" && grep -qs '^  failure: 0$' "$PUPPET_SUMMARY"
}

puppet_disabled_message() {
    jq -r .disabled_message "$PUPPET_DISABLEDLOCK"
}

puppet_record_run() {
    printf -- '---\ntime:\n  last_run: %s\nresources:\n  failed: 0\nevents:\n  failure: 0\n' "$(date +%s)" > "$PUPPET_SUMMARY.new"
    mv "$PUPPET_SUMMARY.new" "$PUPPET_SUMMARY"
}

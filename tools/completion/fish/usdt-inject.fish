# SPDX-License-Identifier: MIT
#
# Completion of usdt-inject in fish.

complete -c usdt-inject -s p -l probe -x -d 'PROVIDER:NAME=SITE to add'
complete -c usdt-inject -s o -l output -r -F -d 'another file'
complete -c usdt-inject -l list -d 'the probes that the file has'
complete -c usdt-inject -l remove -d 'take the injected ones out'
complete -c usdt-inject -l replace -d 'a new file takes the place of FILE'
complete -c usdt-inject -l in-place -d 'write to FILE itself'
complete -c usdt-inject -l dry-run -d 'say what would be done'
complete -c usdt-inject -l json -d 'one object on standard output'
complete -c usdt-inject -s h -l help -d 'a help text'
complete -c usdt-inject -l version -d 'the version'

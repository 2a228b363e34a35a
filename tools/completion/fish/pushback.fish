# SPDX-License-Identifier: MIT
#
# Completion of pushback in fish. What the verbs take is filled in when it is built: see opts_list.h.

set -g __pushback_tables (string split \n -- '
@TABLES@
' | string match -r '.+')

# The verb that the words before the cursor name, with the one within it; nothing where there is none.
function __pushback_verb
    set -l words (string match -v -r -- '^-' (commandline -opc)[2..])
    set -l verb $words[1]
    if set -q words[2]; and string match -q -- "$verb $words[2]"\t'*' $__pushback_tables
        set verb "$verb $words[2]"
    end
    test -n "$verb"; and echo $verb
end

function __pushback_verb_is
    test (__pushback_verb; or echo none) = "$argv"
end

# Whether a flag, or an option that takes a value, is not there yet. One whose value comes now is not there.
function __pushback_no_flag
    not contains -- --$argv (commandline -opc)
end

function __pushback_no_value
    set -l words (commandline -opc)
    not contains -- --$argv $words[..-2]; and not string match -q -- "--$argv=*" $words
end

function __pushback_pids
    # A thread of the kernel has no command line; what has ended is left out without a word.
    set -l files (grep -sla . /proc/(string match -r '(?<=^/proc/)[0-9]+$' /proc/*)/cmdline)
    grep -sH . (string replace cmdline comm $files) | string replace -r '/proc/([0-9]+)/comm:' '$1\t'
end

function __pushback_units
    set -l number (commandline -ct | string replace -r '^--[a-z-]+=' '')
    string match -q -r '^[0-9]*\.?[0-9]+$' -- $number
    and printf '%s\n' $number{us,ms,s,m,h}
end

complete -c pushback -f
complete -c pushback -n 'not __pushback_verb' -l help -d 'the verbs'
complete -c pushback -n 'not __pushback_verb' -l version -d 'the version'
complete -c pushback -n 'not __pushback_verb' -a help -d 'a verb\'s text and options'

for line in $__pushback_tables
    set -l column (string split \t -- $line)
    set -l verb (string split ' ' -- $column[1])
    set -l what -d $column[6]
    switch $column[4]
        case verb
            if set -q verb[2]
                complete -c pushback -n "__pushback_verb_is $verb[1]" -a $verb[2] $what
            else
                complete -c pushback -n "not __pushback_verb; or __pushback_verb_is help" -a $verb $what
            end
            continue
        case flag
        case file
            set -a what -r -F
        case directory
            set -a what -x -a '(__fish_complete_directories (commandline -ct))'
        case pid
            set -a what -x -a '(__pushback_pids)'
        case duration
            set -a what -x -a '(__pushback_units)'
        case 'one:*'
            set -a what -x -a (string replace -a , ' ' -- (string replace one: '' -- $column[4]))
        case '*'
            set -a what -x
    end
    if test $column[2] = -
        complete -c pushback -n "__pushback_verb_is $verb" -F
    else
        set -l name (string replace -- -- '' $column[2])
        set -l when "__pushback_verb_is $verb"
        if test $column[4] = flag
            set when "$when; and __pushback_no_flag $name"
        else if test $column[5] != again
            set when "$when; and __pushback_no_value $name"
        end
        complete -c pushback -n $when -l $name $what
    end
end

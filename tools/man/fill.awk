# SPDX-License-Identifier: MIT
#
# fill.awk TABLES PAGE: fills in what a page has from the programs' own tables (opts_list.h), so that it
# cannot drift from them. In the page stand comments, each on a line of its own:
#
#	.\" @SUMMARY VERB	what the verb is for
#	.\" @SYNOPSIS VERB	its options; operands are written behind it by hand
#	.\" @OPTIONS VERB	its operands and options, with what --help says of them
#	.\" @VERBS		a list of the verbs, each with its page
BEGIN { FS = "\t" }

# The tables, a line each for a verb, an operand or an option.
FNR == NR {
	if ($4 == "verb") {
		verbs[++verb_count] = $1
		summary[$1] = $6
	} else {
		count[$1]++
		word[$1, count[$1]] = $2
		value[$1, count[$1]] = $3
		again[$1, count[$1]] = $5 == "again"
		help[$1, count[$1]] = $6
	}
	next
}

/^\.\\" @/ {
	split($0, mark, /@[A-Z]+ ?/)
	verb = mark[2]
	if (!/@VERBS/ && !(verb in summary)) {
		print FILENAME ": no verb is called '" verb "'" >"/dev/stderr"
		exit 1
	}
	if (/@SUMMARY/)
		print ".Nd " quoted(summary[verb])
	else if (/@SYNOPSIS/)
		synopsis(verb)
	else if (/@OPTIONS/)
		options(verb)
	else
		list_verbs()
	next
}

# What is to be typed or copied has no typographic quotes and hyphens.
/^\.Bd -literal/ { literal = 1 }
/^\.Ed/ { literal = 0 }
/^\.Dl / || (literal && !/^\./) {
	gsub(/'/, "\\(aq")
	gsub(/-/, "\\-")
}

{ print }

# Letters that the formatter would take for something else, or for a typographic one.
function quoted(text) {
	gsub(/\\/, "\\e", text)
	gsub(/'/, "\\(aq", text)
	gsub(/"/, "\\(dq", text)
	gsub(/~/, "\\(ti", text)
	gsub(/-/, "\\-", text)
	return text
}

# In lines that are not too long for lint.
function put(text,    words, total, line, i) {
	total = split(quoted(text), words, " ")
	for (i = 1; i <= total; i++) {
		if (line != "" && length(line) + length(words[i]) > 75) {
			print line
			line = ""
		}
		# Names and paths are not broken; nothing begins as a request would.
		if (words[i] ~ /[\/_]|^pushback$/)
			words[i] = "\\%" words[i]
		else if (words[i] ~ /^[.']/)
			words[i] = "\\&" words[i]
		line = line (line == "" ? "" : " ") words[i]
	}
	print line
}

# What stands between an option and its value is `between`.
function flag(verb, i, between) {
	return "Fl " substr(word[verb, i], 2) (value[verb, i] == "-" ? "" : between "Ar " value[verb, i])
}

# A line may not end within an option.
function synopsis(verb,    i) {
	print ".Nm pushback " verb
	for (i = 1; i <= count[verb]; i++) {
		if (word[verb, i] == "-" || word[verb, i] == "--help")
			continue
		if (again[verb, i])
			print ".Oo " flag(verb, i, "\\~ Ns ") " Oc Ns ..."
		else
			print ".Op " flag(verb, i, "\\~ Ns ")
	}
}

function options(verb,    i) {
	print ".Bl -tag -width Ds"
	for (i = 1; i <= count[verb]; i++) {
		if (word[verb, i] == "-")
			print ".It Ar " value[verb, i]
		else
			print ".It " flag(verb, i, " ")
		put(help[verb, i])
	}
	print ".El"
}

function list_verbs(    i) {
	print ".Bl -tag -width Ds"
	for (i = 1; i <= verb_count; i++) {
		# A verb within another one is on the other one's page.
		if (verbs[i] ~ / /)
			continue
		print ".It Xr pushback-" verbs[i] " 1"
		put(summary[verbs[i]])
	}
	print ".El"
}

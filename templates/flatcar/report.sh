#!/bin/bash
# flatprov-report: say on the serial console how this boot ended, as one line of JSON:
#     FLATPROV-REPORT LENGTH {"format":1,...}      LENGTH is that of the JSON, so a line that was cut is known as such
# and, each ten seconds until the job queue is empty, what it waits for:
#     FLATPROV-WAITING LENGTH {"format":1,"uptime":...,"jobs":[...]}
# The report also stays in /run/flatprov/report, for one who comes too late to see it.
# /opt/flatprov/report-units lists the units to look for, one a line. A process costs time on a slow machine, so nearly
# all of this is done by the shell itself.
set -u
export LC_ALL=C PATH=/usr/bin:/usr/sbin:/bin:/sbin SYSTEMD_COLORS=0 SYSTEMD_PAGER=
shopt -s extglob

say() { # WORD JSON: one line on the first device that takes it; opened anew, because a getty hangs it up
    local device
    for device in /dev/ttyS0 /dev/ttyAMA0 /dev/hvc0 /dev/console; do
        if [[ -c $device ]] && { printf '\n%s %s %s\n' "$1" "${#2}" "$2" >"$device"; } 2>/dev/null; then return; fi
    done
}

keep() { # WORD JSON: the line as a file, whole or not at all
    local file=/run/flatprov/report
    (
        umask 077
        mkdir -p "${file%/*}" && printf '%s %s %s\n' "$1" "${#2}" "$2" >"$file.new" && mv -f "$file.new" "$file"
    ) 2>/dev/null
}

quote() { # TEXT: sets $quoted to a JSON string of printable ASCII
    quoted=${1//\\/\\\\}
    quoted=${quoted//\"/\\\"}
    quoted="\"${quoted//[^ -~]/?}\""
}

quote_all() { # TEXT...: sets $quoted to a JSON list
    local text list=''
    for text; do
        quote "$text"
        list+=${list:+,}$quoted
    done
    quoted="[$list]"
}

first_line() { # FILE: sets $line
    line=''
    { read -r line <"$1"; } 2>/dev/null || true
}

# --- while the boot goes on -------------------------------------------------------------------------------------------
waiting() { # names the jobs that run; fails if there is none
    local id unit='' type state since='' key value jobs='' count=0 now running=()
    local -A began=()
    local text
    text=$(systemctl list-jobs --no-legend --plain 2>/dev/null) || return 1
    while read -r id unit type state _; do
        [[ $id == +([0-9]) ]] || continue
        ((++count))
        if [[ $state == running && ${#running[@]} -lt 8 ]]; then running+=("$unit $type"); fi
    done <<<"$text"
    ((count)) || return 1
    ((${#running[@]})) || return 0
    text=$(systemctl show -p Id -p InactiveExitTimestampMonotonic -- "${running[@]%% *}" 2>/dev/null)
    while IFS='=' read -r key value; do
        case $key in
        Id) unit=$value ;;
        InactiveExitTimestampMonotonic) since=$value ;;
        '') began[$unit]=$since ;;
        esac
    done <<<"$text"$'\n'
    first_line /proc/uptime
    now=${line%% *}
    for text in "${running[@]}"; do
        unit=${text% *}
        quote "$unit"
        jobs+="${jobs:+,}{\"unit\":$quoted,\"job\":\"${text##* }\""
        since=${began[$unit]:-0}
        # A device's time may be that of the initramfs, long before this job.
        if [[ $unit != *.device ]] && ((since > 0)); then jobs+=",\"seconds\":$((${now%.*} - since / 1000000))"; fi
        jobs+='}'
    done
    say FLATPROV-WAITING "{\"format\":1,\"uptime\":$now,\"count\":$count,\"jobs\":[$jobs]}"
}

wait_for_boot() { # sets $state to what systemd calls the finished boot
    local pause=10 code
    while :; do
        exec 3< <(exec systemctl is-system-running --wait 2>/dev/null)
        while :; do
            read -r -t "$pause" state <&3
            code=$?
            if ((code == 0)); then return; fi
            if ((code <= 128)); then break; fi # no answer
            if ((SECONDS > 600)); then pause=60; fi
            # Without jobs the answer is overdue: systemd was re-executed, which the waiting process does not notice.
            if ! waiting; then break; fi
        done
        kill $! 2>/dev/null
        sleep 1
    done
}

# --- when it has ended ------------------------------------------------------------------------------------------------
list_units() { # sets $failed, $missing, $unstarted and $restarting, JSON lists
    local unit='' load='' active='' sub='' result='' code='' status='' tried='' key value text journals=0
    local -a wanted=() absent=() never=() again=()
    local -A seen=() listed=()
    failed=''
    { mapfile -t wanted </opt/flatprov/report-units; } 2>/dev/null
    for text in "${wanted[@]}"; do listed[$text]=1; done
    # One call for both: the pattern gives the failed ones, the names give themselves.
    text=$(systemctl show --state=failed -p Id -p LoadState -p ActiveState -p SubState -p Result -p ExecMainCode \
        -p ExecMainStatus -p ConditionTimestampMonotonic -p InactiveExitTimestampMonotonic -- '*' "${wanted[@]}" 2>/dev/null)
    while IFS='=' read -r key value; do
        case $key in
        Id) unit=$value ;;
        LoadState) load=$value ;;
        ActiveState) active=$value ;;
        SubState) sub=$value ;;
        Result) result=$value ;;
        ExecMainCode) code=$value ;;
        ExecMainStatus) status=$value ;;
        ConditionTimestampMonotonic | InactiveExitTimestampMonotonic) if [[ $value != 0 ]]; then tried=1; fi ;;
        '')
            if [[ -n $unit && -z ${seen[$unit]:-} ]]; then
                seen[$unit]=1
                if [[ $active == failed ]]; then add_failed; fi
                if [[ $load == not-found && -n ${listed[$unit]:-} ]]; then absent+=("$unit"); fi
                # Nothing even looked at its conditions: what it needs has failed, or nothing wants it.
                if [[ $load == loaded && $active == inactive && -z $tried ]]; then never+=("$unit"); fi
                if [[ $sub == auto-restart* ]]; then again+=("$unit"); fi
            fi
            unit='' load='' active='' sub='' result='' code='' status='' tried=''
            ;;
        esac
    done <<<"$text"$'\n'
    failed="[$failed]"
    quote_all "${absent[@]}"
    missing=$quoted
    quote_all "${never[@]}"
    unstarted=$quoted
    quote_all "${again[@]}"
    restarting=$quoted
}

add_failed() { # with the variables of list_units
    quote "$unit"
    failed+="${failed:+,}{\"unit\":$quoted"
    quote "$result"
    failed+=",\"result\":$quoted,\"code\":${code:-0},\"status\":${status:-0}"
    if ((++journals <= 8)); then
        if ((journals == 1)); then journalctl --sync 2>/dev/null; fi
        # What its processes said; if nothing, what systemd said about it.
        text=$(journalctl -b -q -n 8 -o cat "_SYSTEMD_UNIT=$unit" 2>/dev/null)
        [[ -n $text ]] || text=$(journalctl -b -q -n 8 -o cat -u "$unit" 2>/dev/null)
        if ((${#text} > 2000)); then text=${text: -2000}; fi
        failed+=",\"journal\":\"$(base64 -w0 <<<"$text")\""
    fi
    failed+='}'
}

list_addresses() { # sets $addresses from what ip wrote to descriptor 4
    local name word list='' previous
    local -a words found
    while read -ra words; do # NAME STATE ADDRESS [metric N] [peer ADDRESS] ...
        name=${words[0]:-} found=() previous=''
        for word in "${words[@]:2}"; do
            if [[ $word == *[.:]* && $previous != peer ]]; then found+=("$word"); fi
            previous=$word
        done
        if ((${#found[@]} == 0)); then continue; fi
        quote "${name%%@*}"
        list+="${list:+,}$quoted:"
        quote_all "${found[@]}"
        list+=$quoted
    done <&4
    addresses="{$list}"
}

ignition_result() { # sets $ignition and $first_boot
    local text='' date='' user=false boot=''
    ignition=null first_boot=false
    { text=$(</etc/.ignition-result.json); } 2>/dev/null
    if [[ -z $text ]]; then return; fi
    if [[ $text =~ \"provisioningBootID\":\ *\"([^\"]*)\" ]]; then boot=${BASH_REMATCH[1]}; fi
    if [[ $text =~ \"provisioningDate\":\ *\"([^\"]*)\" ]]; then date=${BASH_REMATCH[1]}; fi
    if [[ $text =~ \"userConfigProvided\":\ *true ]]; then user=true; fi
    if [[ $boot == "$boot_id" ]]; then first_boot=true; fi
    quote "$date"
    ignition="{\"date\":$quoted,\"user_config\":$user}"
}

version() { # sets $line to VERSION_ID of the system
    local key value
    line=''
    while IFS='=' read -r key value; do
        if [[ $key == VERSION_ID ]]; then line=${value//\"/}; fi
    done </etc/os-release
}

report() {
    local json failed missing unstarted restarting addresses ignition first_boot boot_id quoted line
    first_line /proc/sys/kernel/random/boot_id
    boot_id=$line
    exec 4< <(exec ip -br addr show scope global 2>/dev/null) # beside the next call, where there is a second processor
    list_units
    list_addresses
    ignition_result
    quote "$state"
    json="{\"format\":1,\"boot_id\":\"$boot_id\",\"first_boot\":$first_boot,\"ignition\":$ignition,\"state\":$quoted"
    json+=",\"failed\":$failed,\"missing\":$missing,\"unstarted\":$unstarted,\"restarting\":$restarting,\"addresses\":$addresses"
    first_line /proc/sys/kernel/hostname
    quote "$line"
    json+=",\"hostname\":$quoted"
    version
    quote "$line"
    json+=",\"version\":$quoted"
    first_line /proc/sys/kernel/osrelease
    quote "$line"
    json+=",\"kernel\":$quoted"
    first_line /proc/uptime
    json+=",\"uptime\":${line%% *}}"
    say FLATPROV-REPORT "$json"
    keep FLATPROV-REPORT "$json"
    # Again: a getty that starts now hangs up the line and what is still in its buffer is lost.
    sleep 1
    say FLATPROV-REPORT "$json"
    sleep 3
    say FLATPROV-REPORT "$json"
}

wait_for_boot
report

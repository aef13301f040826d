# What a target is and in what state: "key value" lines, for edgekit.bench.facts. POSIX sh; also Android's mksh and toybox.
# Whatever a target does not have is left out. It is run right before and right after a measurement, so it starts few processes.
LC_ALL=C
say() { [ -z "$2" ] || printf '%s %s\n' "$1" "$2"; }
one() { # key file: its first line
  [ -r "$2" ] || return 0
  v=
  { IFS= read -r v <"$2" || :; } 2>/dev/null
  say "$1" "$v"
}
here() { command -v "$1" >/dev/null 2>&1; }

k=$(uname -srm)
say machine "${k##* }"
say kernel "${k% *}"
[ -r /etc/os-release ] && say os "$(. /etc/os-release 2>/dev/null && printf %s "$PRETTY_NAME")"
if [ -r /proc/device-tree/model ]; then say model "$(tr -d '\000' </proc/device-tree/model)"; else one model /sys/class/dmi/id/product_name; fi
[ -r /proc/device-tree/compatible ] && say compatible "$(tr '\000' ' ' </proc/device-tree/compatible)"
here getconf && say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
if here getprop; then
  for p in product.manufacturer product.model soc.manufacturer soc.model board.platform hardware product.cpu.abi build.version.release build.fingerprint kernel.qemu boot.qemu; do
    say "prop.$p" "$(getprop "ro.$p")"
  done
fi
if here sysctl && [ ! -r /proc/cpuinfo ]; then
  say cpu "$(sysctl -n machdep.cpu.brand_string 2>/dev/null)"
  say cores "$(sysctl -n hw.logicalcpu 2>/dev/null)"
fi

while IFS= read -r line; do
  case $line in
  processor*) n=$((${n:-0} + 1)) && continue ;;
  "model name"*) k=model_name ;;
  Hardware*) k=Hardware ;;
  Model*) k=Model ;;
  vendor_id*) k=vendor_id ;;
  *) continue ;;
  esac
  case " $seen " in *" $k "*) ;; *) seen="$seen $k"; say "cpuinfo.$k" "${line#*: }" ;; esac
done 2>/dev/null </proc/cpuinfo
say cores "$n"
while read -r k v _; do
  case $k in MemTotal:) say memory_kb "$v" && break ;; esac
done 2>/dev/null </proc/meminfo

one clocksources /sys/devices/system/clocksource/clocksource0/available_clocksource
one loadavg /proc/loadavg
one stat /proc/stat
for d in /sys/devices/system/cpu/cpu[0-9]*; do
  [ -d "$d/cpufreq" ] || continue
  c=${d##*/cpu}
  one "max_khz.$c" "$d/cpufreq/cpuinfo_max_freq"
  one "limit_khz.$c" "$d/cpufreq/scaling_max_freq"
  one "khz.$c" "$d/cpufreq/scaling_cur_freq"
  one "governor.$c" "$d/cpufreq/scaling_governor"
done
for d in /sys/class/thermal/thermal_zone*; do
  [ -r "$d/temp" ] || continue
  t=
  { IFS= read -r t <"$d/type"; } 2>/dev/null
  one "zone.${d##*/thermal_zone}" "$d/type"
  one "temperature.${d##*/thermal_zone}" "$d/temp"
done
for v in /usr/bin/vcgencmd /opt/vc/bin/vcgencmd "$(command -v vcgencmd)"; do
  [ -x "$v" ] || continue
  say throttled "$("$v" get_throttled 2>/dev/null)"
  say vc_temperature "$("$v" measure_temp 2>/dev/null)"
  say vc_clock "$("$v" measure_clock arm 2>/dev/null)"
  break
done
if here dumpsys && here getprop; then
  say thermal_status "$(dumpsys thermalservice 2>/dev/null | grep -m1 -i 'thermal status')"
  dumpsys battery 2>/dev/null | while IFS= read -r line; do
    case $line in *"AC powered:"* | *"USB powered:"* | *"Wireless powered:"* | *" level:"* | *" temperature:"*) say battery "$line" ;; esac
  done
  say low_power "$(settings get global low_power 2>/dev/null)"
fi
exit 0

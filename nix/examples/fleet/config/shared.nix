# What every machine has. Only parameters: domain is the machine's own.
{ domain }:
{
  inherit domain;
  hosts = map (prefix: "${prefix}.${domain}") [ "app" "lnbits" "img" ];
  units = [ "nginx.service" "lnbits.service" "pict-rs.service" ];
}

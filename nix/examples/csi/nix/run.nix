# A derivation of one shell script, and nothing else. In the sandbox the applets are the shell's own; without one they
# come from PATH.
{ name, system, script, ... }@args:
derivation ({ PATH = "/bin:/usr/bin"; } // builtins.removeAttrs args [ "script" ] // {
  builder = "/bin/sh";
  args = [ "-euc" script ];
})

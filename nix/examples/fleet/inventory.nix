# Which machines there are. Only evaluating tells: machines/ may hold folders that are not listed, and the reverse.
let
  nixos = name: tags: { machineClass = "nixos"; system = "x86_64-linux"; inherit tags; deploy.targetHost = "root@${name}.example.org"; };
in
{
  machines = {
    web1 = nixos "web1" [ "web" "canary" ];
    web2 = nixos "web2" [ "web" ];
    web3 = nixos "web3" [ "web" ];
    db1 = nixos "db1" [ "data" ];
    monitor1 = nixos "monitor1" [ "monitoring" ];
    # By clan: its secrets are vars, and it is left out of an update of all machines.
    vault1 = nixos "vault1" [ "secrets" ] // { deploy = { targetHost = "root@vault1.example.org"; requireExplicitUpdate = true; }; };
    build1 = {
      machineClass = "nixos";
      system = "aarch64-linux";
      tags = [ "builders" ];
      deploy.targetHost = "root@build1.example.org";
      hold = "the disk is being replaced, do not update until the rebuild of the array is over";
    };
    laptop = { machineClass = "darwin"; system = "aarch64-darwin"; tags = [ "personal" ]; };
  };
  # Roles come from instances: machines named, or by tag.
  instances.site.roles.server.tags = [ "web" ];
}

# Which machines there are. Only evaluating tells: machines/ may hold folders that are not listed, and the reverse.
{
  machines = {
    web1 = { machineClass = "nixos"; system = "x86_64-linux"; tags = [ "web" "canary" ]; deploy.targetHost = "root@web1.example.org"; };
    web2 = { machineClass = "nixos"; system = "x86_64-linux"; tags = [ "web" ]; deploy.targetHost = "root@web2.example.org"; };
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

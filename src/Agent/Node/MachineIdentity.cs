using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop;

namespace Accelerated.Agent.Node;

/// <summary>
/// Tells a machine that was given another address from the copy of a machine. A copy has the state directory and often the machine id of its
/// original, but two network cards with one MAC address do not work on one link, and hypervisors give each machine a UUID of its own.
/// </summary>
public static class MachineIdentity
{
    private const string MachineId = "/etc/machine-id";
    private const string ProductUuid = "/sys/class/dmi/id/product_uuid";

    /// <summary>A digest of what this machine is known by; empty where that is not enough to tell it from its copies.</summary>
    /// <param name="underlay">MAC address of the underlay interface; null if it has none.</param>
    public static string Of(MacAddress? underlay) => underlay is { } mac && Read(MachineId) is { Length: > 0 } id
        ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{id}\n{Read(ProductUuid)}\n{mac}")))
        : "";

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // ignoring: containers and many boards have none.
            return "";
        }
    }
}

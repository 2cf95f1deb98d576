using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>
/// Which MAC address the node's VTEP has. flannel draws one at random and a reboot changes it (flannel #1155, #1795); here it is a
/// function of the node's identity, so that peers may keep their entries.
/// </summary>
public static class VtepMac
{
    /// <summary>The first usable of: the own lease's, an existing device's, one derived from the node's identity.</summary>
    public static MacAddress Choose(MacAddress? leased, MacAddress? device, MacAddress derived) =>
        leased is { } a && IsUsable(a) ? a : device is { } b && IsUsable(b) ? b : derived;

    /// <summary>Whether a VTEP may have this address: unicast and not zero.</summary>
    public static bool IsUsable(MacAddress mac) => mac.IsUnicast && !mac.IsZero;

    /// <summary>A locally administered unicast address, the same for the same arguments on every run and machine.</summary>
    /// <param name="etcdPrefix">The network's prefix in etcd.</param>
    /// <param name="publicIP">The node's identity.</param>
    /// <param name="vni">VXLAN network identifier.</param>
    /// <param name="overlay">Address family of the overlay the device serves.</param>
    /// <param name="attempt">Above 0 for another address, where another node has the first.</param>
    public static MacAddress Derive(string etcdPrefix, IPAddress publicIP, uint vni, AddressFamily overlay, int attempt = 0)
    {
        var family = overlay == AddressFamily.InterNetwork ? "ipv4" : "ipv6";
        var identity = string.Create(CultureInfo.InvariantCulture, $"accelerated vtep\n{etcdPrefix}\n{publicIP}\n{vni}\n{family}");
        if (attempt > 0)
            identity += string.Create(CultureInfo.InvariantCulture, $"\n{attempt}");
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(identity), hash);
        hash[0] = (byte)((hash[0] & 0xfe) | 0x02);
        return MacAddress.FromBytes(hash[..6]);
    }
}

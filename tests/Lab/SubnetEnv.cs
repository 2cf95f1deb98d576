using System.Globalization;
using System.Net;

namespace Accelerated.Lab;

/// <summary>A node's <c>subnet.env</c>: how the agent tells the container runtime what to use.</summary>
/// <param name="Values">Every <c>NAME=value</c> line.</param>
public sealed record SubnetEnv(IReadOnlyDictionary<string, string> Values)
{
    /// <summary>The network of all nodes, as <c>10.5.0.0/16</c>.</summary>
    public IPNetwork Network => IPNetwork.Parse(Value("FLANNEL_NETWORK"));

    /// <summary>The first host address of the node's subnet: the address of its bridge.</summary>
    public IPAddress Gateway => IPAddress.Parse(Value("FLANNEL_SUBNET").Split('/')[0]);

    /// <summary>The node's subnet, as <c>10.5.60.0/24</c>.</summary>
    public IPNetwork Subnet
    {
        get
        {
            var bytes = Gateway.GetAddressBytes();
            var length = int.Parse(Value("FLANNEL_SUBNET").Split('/')[1], CultureInfo.InvariantCulture);
            for (var bit = length; bit < bytes.Length * 8; bit++)
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            return new IPNetwork(new IPAddress(bytes), length);
        }
    }

    /// <summary>MTU for containers, in bytes.</summary>
    public int Mtu => int.Parse(Value("FLANNEL_MTU"), CultureInfo.InvariantCulture);

    /// <summary>Whether the agent masquerades, so that the runtime need not.</summary>
    public bool IpMasq => Value("FLANNEL_IPMASQ") == "true";

    /// <summary>The address of the n-th container, n counted from 1: <c>.2</c>, <c>.3</c>, ….</summary>
    public IPAddress PodAddress(int pod)
    {
        var bytes = Gateway.GetAddressBytes();
        for (var (at, carry) = (bytes.Length - 1, pod); carry > 0 && at >= 0; at--)
        {
            carry += bytes[at];
            bytes[at] = (byte)carry;
            carry >>= 8;
        }
        return new IPAddress(bytes);
    }

    /// <summary>Reads the text of the file.</summary>
    public static SubnetEnv Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new SubnetEnv(text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2)
            .ToDictionary(pair => pair[0], pair => pair[1]));
    }

    private string Value(string name) =>
        Values.TryGetValue(name, out var value) ? value : throw new LabException($"subnet.env has no {name}");
}

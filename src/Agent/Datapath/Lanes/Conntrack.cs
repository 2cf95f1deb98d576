using System.Globalization;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The node's conntrack settings (net.netfilter), those of the namespace the agent runs in.</summary>
internal static class Conntrack
{
    private const string Settings = "/proc/sys/net/netfilter/nf_conntrack_";
    private const string Liberal = Settings + "tcp_be_liberal";

    /// <summary>The shortest time in seconds that an established TCP connection is remembered after a packet.</summary>
    public static long? TcpTimeout
    {
        get
        {
            var all = new[] { Read("tcp_timeout_established"), Read("tcp_timeout_unacknowledged"), Read("tcp_timeout_max_retrans") };
            return all.Any(t => t is null) ? null : all.Min();
        }
    }

    /// <summary>The same in seconds for a UDP flow with traffic both ways.</summary>
    public static long? UdpTimeout => Read("udp_timeout_stream");

    /// <summary>
    /// Lets conntrack take TCP segments outside the window it knows of: it does not see those that lane 2 carries, and would call the next
    /// one it sees invalid. What was set before is kept in a file, for whoever cleans up.
    /// </summary>
    /// <returns>Whether anything had to be changed.</returns>
    /// <exception cref="LanesUnavailableException">It cannot be set.</exception>
    public static bool BeLiberal(string keepIn)
    {
        try
        {
            var before = File.ReadAllText(Liberal).Trim();
            if (before != "0")
                return false;
            File.WriteAllText(keepIn, before);
            File.WriteAllText(Liberal, "1");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LanesUnavailableException($"net.netfilter.nf_conntrack_tcp_be_liberal cannot be set to 1, and conntrack would drop late packets: {e.Message}. Set it in /etc/sysctl.d", e);
        }
    }

    /// <summary>Sets it back to what <see cref="BeLiberal"/> found, and forgets that.</summary>
    /// <exception cref="IOException">It cannot be set.</exception>
    /// <exception cref="UnauthorizedAccessException">Nor may it.</exception>
    public static void Restore(string keptIn)
    {
        File.WriteAllText(Liberal, File.ReadAllText(keptIn));
        File.Delete(keptIn);
    }

    private static long? Read(string name)
    {
        try
        {
            return long.Parse(File.ReadAllText(Settings + name), CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            // Not there: a kernel without conntrack, or without this setting.
            return null;
        }
    }
}

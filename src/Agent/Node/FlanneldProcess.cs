using System.Globalization;

namespace Accelerated.Agent.Node;

/// <summary>A flanneld that runs in this process's network namespace. Two daemons on one overlay device take it away from each other.</summary>
/// <param name="Id">Its process id.</param>
/// <param name="CommandLine">Its command line, for people.</param>
/// <param name="EtcdPrefix">Its <c>--etcd-prefix</c>, or flannel's default.</param>
/// <param name="IsKubernetes">It takes subnets from the Kubernetes API (<c>--kube-subnet-mgr</c>).</param>
public sealed record FlanneldProcess(int Id, string CommandLine, string EtcdPrefix, bool IsKubernetes)
{
    private const string DefaultPrefix = "/coreos.com/network";
    private const int LongestShown = 200;

    /// <summary>All there are: by the name of the process or of its file, as proc(5) has them. What runs in another network namespace is somebody else's.</summary>
    public static IReadOnlyList<FlanneldProcess> Find()
    {
        var own = Namespace("/proc/self");
        var found = new List<FlanneldProcess>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && Read(folder, id, own) is { } process)
                found.Add(process);
        }

        return found;
    }

    /// <summary>The first that serves the same network, or null. One with another <c>--etcd-prefix</c> serves another.</summary>
    public static FlanneldProcess? FindRival(string etcdPrefix) => Find().FirstOrDefault(p => p.IsKubernetes || p.EtcdPrefix == etcdPrefix);

    /// <summary>What is the matter, in one sentence, without what to do.</summary>
    public string Describe(string etcdPrefix) => string.Create(CultureInfo.InvariantCulture,
        $"flanneld runs on this host for {(IsKubernetes ? "a network from Kubernetes" : $"the same network (--etcd-prefix={etcdPrefix})")}, process {Id}: {CommandLine}. The two would take flannel's device, routes and lease away from each other");

    /// <summary>What to do about it.</summary>
    public string Remedy => IsKubernetes
        ? "keep flannel's DaemonSet off this node (its nodeAffinity), then start again; packets go on meanwhile"
        : "systemctl disable --now flanneld, then start again; packets go on meanwhile. If they are to be two networks, give the agent another --etcd-prefix";

    private static FlanneldProcess? Read(string folder, int id, string? own)
    {
        try
        {
            // A thread of the kernel has no command line, nor has one that has ended and whose parent has not asked for it yet. The first are many, and
            // asking for their file is an error each time.
            var words = File.ReadAllText(Path.Combine(folder, "cmdline")).Split('\0', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || (!IsName(File.ReadAllText(Path.Combine(folder, "comm")).TrimEnd('\n')) && !IsName(FileName(folder))))
                return null;
            if (Namespace(folder) is { } space && own is not null && space != own)
                return null;
            var shown = string.Join(' ', words);
            return new FlanneldProcess(id, shown.Length <= LongestShown ? shown : shown[..LongestShown] + " …", Prefix(words, folder), IsSet(words, folder, "kube-subnet-mgr"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile.
            return null;
        }
    }

    /// <summary>flanneld, or what release archives call it: flanneld-amd64.</summary>
    private static bool IsName(string? name) => name == "flanneld" || name?.StartsWith("flanneld-", StringComparison.Ordinal) == true;

    private static string? FileName(string folder) => Link(Path.Combine(folder, "exe"));

    /// <summary>The namespace as the kernel names it, <c>net:[4026531840]</c>; null where it may not be known (that takes root).</summary>
    private static string? Namespace(string folder) => Link(Path.Combine(folder, "ns", "net"));

    private static string? Link(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: false)?.Name;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Prefix(string[] words, string folder)
    {
        var prefix = (Value(words, "etcd-prefix") ?? Variable(folder, "etcd-prefix"))?.TrimEnd('/');
        return string.IsNullOrEmpty(prefix) ? DefaultPrefix : prefix;
    }

    private static bool IsSet(string[] words, string folder, string flag) =>
        words.Any(w => w == $"-{flag}" || w == $"--{flag}") || (Value(words, flag) ?? Variable(folder, flag)) is "1" or "t" or "T" or "true" or "TRUE" or "True";

    /// <summary>The last <c>-flag=value</c> or <c>-flag value</c>.</summary>
    private static string? Value(string[] words, string flag)
    {
        string? value = null;
        for (var i = 1; i < words.Length; i++)
        {
            if (words[i][0] != '-')
                continue;
            var parts = words[i].TrimStart('-').Split('=', 2);
            if (parts[0] == flag)
                value = parts.Length > 1 ? parts[1] : i + 1 < words.Length ? words[i + 1] : value;
        }

        return value;
    }

    private static string? Variable(string folder, string flag)
    {
        try
        {
            var start = $"FLANNELD_{flag.Replace('-', '_').ToUpperInvariant()}=";
            return File.ReadAllText(Path.Combine(folder, "environ")).Split('\0').FirstOrDefault(v => v.StartsWith(start, StringComparison.Ordinal))?[start.Length..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another user's: its command line has to do.
            return null;
        }
    }
}

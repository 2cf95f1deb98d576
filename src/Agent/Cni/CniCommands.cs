using System.Text;
using System.Text.Json;
using Accelerated.Interop;

namespace Accelerated.Agent.Cni;

/// <summary>What the plugin does: each command, once.</summary>
/// <param name="request">What the environment says.</param>
/// <param name="network">What standard input says.</param>
internal sealed class CniCommands(CniRequest request, NetworkConfiguration network)
{
    /// <summary>The interface that runtimes make, for what flannel's plugin kept without saying.</summary>
    private const string UsualInterface = "eth0";

    /// <summary>The agent's part of an ADD; an agent that is not there costs nothing.</summary>
    private static readonly TimeSpan AgentLimit = TimeSpan.FromMilliseconds(200);

    private readonly KeptConfigurations _kept = new(network.DataDirectory);

    /// <summary>Carries out the command; returns what goes to standard output.</summary>
    /// <exception cref="CniException">It fails.</exception>
    public byte[] Run() => request.Command switch
    {
        "ADD" => Add(),
        "DEL" => Delete(),
        "CHECK" => Check(),
        "STATUS" => Status(),
        _ => Collect(),
    };

    private byte[] Add()
    {
        var configuration = DelegateConfiguration.Build(network, ReadSubnet());
        var plugin = DelegatePlugin.Find(DelegateConfiguration.TypeFor(network), request.Path);
        // To undo an ADD that only repeats another would take away what that has made.
        var isRepeated = _kept.Find(request.ContainerId, request.InterfaceName) is not null;
        var file = _kept.Keep(request.ContainerId, request.InterfaceName, DelegateConfiguration.ToKeep(configuration, request.InterfaceName));
        try
        {
            var result = plugin.Call(DelegateConfiguration.ForCall(configuration, network));
            TellAgent(Addresses(result));
            return result;
        }
        catch (CniException e) when (!isRepeated)
        {
            throw e.Code == CniException.IncompatibleVersion ? Forget(file, e) : Undo(plugin, configuration, file, e);
        }
    }

    /// <summary>A delegate that does not speak the version has not begun, and would not understand DEL either.</summary>
    private static CniException Forget(string file, CniException failure)
    {
        KeptConfigurations.TryDelete(file);
        return failure;
    }

    /// <summary>A delegate that failed half way has to be told to delete (CNI specification 1.1, section 4).</summary>
    private static CniException Undo(DelegatePlugin plugin, byte[] configuration, string file, CniException failure)
    {
        try
        {
            plugin.Call(configuration, ("CNI_COMMAND", "DEL"));
            KeptConfigurations.TryDelete(file);
            return failure;
        }
        catch (CniException again)
        {
            return new(failure.Code, failure.Message, $"{failure.Details}{(failure.Details is null ? "" : "; ")}and undoing it failed, so call DEL: {again.Message}", failure);
        }
    }

    private byte[] Delete()
    {
        // Nothing of it, or no longer: that is what was asked for.
        if (_kept.Find(request.ContainerId, request.InterfaceName) is not { } entry)
            return [];
        Delete(entry);
        return [];
    }

    private void Delete(KeptConfigurations.Entry entry, params ReadOnlySpan<(string Name, string Value)> variables)
    {
        // What is kept may have been cut short by a full disk; then what ADD would say today comes closest.
        var configuration = entry.Content is { } content ? DelegateConfiguration.FromKept(content, network, "DEL") : DelegateConfiguration.Build(network, ReadSubnet());
        DelegatePlugin.Find(TypeOf(entry), request.Path).Call(configuration, variables);
        KeptConfigurations.TryDelete(entry.Path);
    }

    private byte[] Check()
    {
        if (_kept.Find(request.ContainerId, request.InterfaceName) is not { Content: { } content } entry)
            throw new CniException(CniException.UnknownContainer, $"nothing is known of {request.InterfaceName} of container {request.ContainerId}", $"no ADD has left anything in {network.DataDirectory}");
        return DelegatePlugin.Find(TypeOf(entry), request.Path).Call(DelegateConfiguration.FromKept(content, network, "CHECK"));
    }

    private byte[] Status()
    {
        try
        {
            var configuration = DelegateConfiguration.Build(network, ReadSubnet());
            var plugin = DelegatePlugin.Find(DelegateConfiguration.TypeFor(network), request.Path);
            if (!plugin.Speaks(network.Version))
                throw new CniException(CniException.NotAvailable, $"plugin \"{DelegateConfiguration.TypeFor(network)}\" does not speak version {network.Version}", "use a lower \"cniVersion\" (1.0.0), or newer plugins");
            return plugin.Call(DelegateConfiguration.ForCall(configuration, network));
        }
        catch (CniException e) when (e.Code is CniException.TryAgainLater or CniException.NoDelegate)
        {
            throw new CniException(CniException.NotAvailable, e.Message, e.Details, e);
        }
    }

    /// <summary>Deletes what was kept for containers that there are no longer, and has the delegate collect its own.</summary>
    private byte[] Collect()
    {
        if (network.ValidAttachments is not { Kind: JsonTokenType.StartArray } list)
            throw new CniException(CniException.InvalidConfiguration, "GC without cni.dev/valid-attachments", "the runtime lists there what must stay");
        var valid = list.Inside.Values.Select(a => a.Inside).ToList();
        List<CniException> failures = [];
        foreach (var entry in _kept.All().Where(e => e.Content?.Find("name")?.Text == network.Name && !IsValid(e)))
            Try(() => Delete(entry, ("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", entry.ContainerId), ("CNI_IFNAME", entry.InterfaceName ?? UsualInterface), ("CNI_NETNS", "")));
        Try(() =>
        {
            // Without subnet.env nothing can be said to the delegate; what was kept is away all the same.
            var plugin = DelegatePlugin.Find(DelegateConfiguration.TypeFor(network), request.Path);
            if (plugin.Speaks(network.Version))
                plugin.Call(DelegateConfiguration.ForCall(DelegateConfiguration.Build(network, ReadSubnet()), network));
        });
        return failures.Count == 0 ? [] : throw failures[0];

        bool IsValid(KeptConfigurations.Entry entry) =>
            valid.Any(v => v.Find("containerID")?.Text == entry.ContainerId && (entry.InterfaceName is null || v.Find("ifname")?.Text == entry.InterfaceName));

        void Try(Action step)
        {
            try
            {
                step();
            }
            catch (CniException e)
            {
                failures.Add(e);
            }
        }
    }

    private NodeSubnet ReadSubnet()
    {
        try
        {
            return NodeSubnet.Parse(File.ReadAllText(network.SubnetFile), network.SubnetFile);
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CniException(CniException.TryAgainLater, $"{network.SubnetFile} is not there",
                "the agent writes it when this node has its subnet: see \"accelerated status\"; if it writes another file (--subnet-file), name that as \"subnetFile\"", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CniException(CniException.InputOutput, $"{network.SubnetFile} cannot be read: {e.Message}", null, e);
        }
    }

    /// <summary>Has the agent look at the containers now, so that the shortcut is open for the first packet. It would find them by itself, a little later.</summary>
    private void TellAgent(List<string> addresses)
    {
        if (addresses.Count > 0)
            _ = LocalExchange.Ask(network.AgentSocket, Encoding.UTF8.GetBytes($$"""{"method":"look","addresses":["{{string.Join("\",\"", addresses)}}"]}""" + "\n"), AgentLimit);
    }

    /// <summary>The IPv4 addresses of a result, of whatever version it is.</summary>
    private static List<string> Addresses(byte[] result)
    {
        try
        {
            var root = RawObject.Parse(result);
            if (!root.IsObject)
                throw new CniException(CniException.Undecodable, "the delegate's result is no JSON object", Encoding.UTF8.GetString(result));
            var found = new List<string>();
            foreach (var address in root.Find("ips")?.Inside.Values ?? [])
                Take(address.Inside.Find("address")?.Text ?? "");
            Take(root.Find("ip4")?.Inside.Find("ip")?.Text ?? "");
            return found;

            // The agent reads it as it reads every address; here it only must not break out of its quotes.
            void Take(string prefix)
            {
                if (prefix.Length > 0 && char.IsAsciiDigit(prefix[0]) && prefix.Contains('.', StringComparison.Ordinal) && CniRequest.IsIdentifier(prefix.Split('/')[0]))
                    found.Add(prefix.Split('/')[0]);
            }
        }
        catch (JsonException e)
        {
            throw new CniException(CniException.Undecodable, "the delegate's result is no JSON object", e.Message, e);
        }
    }

    private string TypeOf(KeptConfigurations.Entry entry) =>
        entry.Content?.Find("type")?.Text is { Length: > 0 } type && !type.Contains('/', StringComparison.Ordinal) ? type : DelegateConfiguration.TypeFor(network);
}

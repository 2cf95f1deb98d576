using System.CommandLine;
using System.CommandLine.Help;
using Accelerated.Agent;
using Accelerated.Agent.Api;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Cni;
using Accelerated.Agent.Node;

// A container waits for this, so nothing else is loaded before it.
if (CniPlugin.IsCalled(args))
    return CniPlugin.Run();

// Before anything else: whoever looks at the host's processes can read it until then.
SecretArguments.Hide(args);

// The agent's front end is Go's flag package, because flannel's unit files are written for it; the rest is an ordinary command line.
// A bare `accelerated --etcd-endpoints=…` is what stands in an ExecStart that used to name flanneld.
if (args is ["agent", ..])
    return await AgentCommand.RunAsync(args[1..]).ConfigureAwait(false);
if (args is ["cleanup", ..])
    return CleanupCommand.Run(args[1..]);
// Before the first flag there may stand what a unit made of a variable that is not set, or did not expand.
if (args is [['-', _, ..] or "" or ['$', ..], ..] && args[0] is not ("-h" or "-?" or "--help"))
    return await AgentCommand.RunAsync(args).ConfigureAwait(false);

var version = new Command("version", "Print the version.");
version.SetAction(_ => Console.WriteLine(StatusReporter.Version));
// Not a RootCommand: that is called what the file is, and a file called "agent" would be two commands of one name.
var root = new Command("accelerated", "An overlay network agent for container hosts: joins a flannel cluster, one node at a time.")
{
    new Command("agent", "Run the agent (accelerated agent --help lists its flags). A bare accelerated --FLAG… does the same."),
    StatusCommand.Create(),
    DropsCommand.Create(),
    DockerOptsCommand.Create(),
    new Command("cleanup", "Remove what the agent has made on this host (accelerated cleanup --help)."),
    version,
    new HelpOption(),
};
var parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
var code = await parsed.InvokeAsync().ConfigureAwait(false);
return args.Length == 0 || parsed.Errors.Count > 0 ? ExitCodes.Usage : code;

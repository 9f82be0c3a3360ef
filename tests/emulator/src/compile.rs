//! The workflow compiler: it loads nothing, checks that a workflow holds together, and
//! writes what the real one writes.

pub mod binding;
pub mod branch;
pub mod edges;
pub mod errors;
pub mod interface;
pub mod requirements;
pub mod rewrite;

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_proto::flyteidl::core::{self, Identifier, WorkflowTemplate};
use prost_reflect::DynamicMessage;

use crate::{
    dynamic::{self, Fields as _},
    error::{AdminError, Answer},
    golang::text,
};
use errors::Errors;

/// Node that stands for the workflow's inputs.
pub const START: &str = "start-node";
/// Node that stands for the workflow's outputs.
pub const END: &str = "end-node";

/// What a launch plan offers to the workflow that runs it.
#[derive(Debug, Default)]
pub struct Plan {
    /// Inputs, required or not.
    pub inputs: core::ParameterMap,
    /// Outputs.
    pub outputs: core::VariableMap,
}

/// What was loaded for a workflow, by the text of its identifier.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Compiled tasks, in the order of the requirements.
    pub tasks: Vec<DynamicMessage>,
    /// Launch plans.
    pub plans: BTreeMap<String, Plan>,
}

/// All that one compilation works on.
struct Compiler {
    tasks: BTreeMap<String, core::TaskTemplate>,
    plans: BTreeMap<String, Plan>,
    /// `flyteidl.core.CompiledWorkflow`, as embedded; absent while being compiled.
    subs: Vec<Option<DynamicMessage>>,
    index: BTreeMap<String, usize>,
    interfaces: BTreeMap<String, core::TypedInterface>,
    errors: Errors,
}

/// The closure of a workflow (`flyteidl.core.CompiledWorkflowClosure`).
pub fn workflow(
    template: DynamicMessage,
    subs: Vec<DynamicMessage>,
    loaded: Loaded,
) -> Answer<DynamicMessage> {
    let declared: WorkflowTemplate = dynamic::typed(&template)?;
    let typed: Answer<Vec<WorkflowTemplate>> = subs.iter().map(dynamic::typed).collect();
    let typed = typed?;
    let index = requirements::index(&typed)?;
    let mut tasks = loaded.tasks;
    let mut unique = BTreeSet::new();
    tasks.retain(|task| unique.insert(task_text(task)));
    for task in &mut tasks {
        let interface = task
            .message_mut("template")
            .and_then(|t| t.message_mut("interface"));
        interface.map(rewrite::interface);
    }
    let templates = tasks.iter().map(|task| {
        let typed: core::CompiledTask = dynamic::typed(task)?;
        Ok((task_text(task), typed.template.unwrap_or_default()))
    });
    let mut compiler = Compiler {
        tasks: templates.collect::<Answer<_>>()?,
        plans: loaded.plans,
        subs: subs.into_iter().map(|sub| Some(wrap(sub))).collect(),
        interfaces: interfaces(&typed),
        index,
        errors: Errors::default(),
    };
    compiler.check_requirements(&declared, &typed)?;
    let mut primary = wrap(template);
    compiler.compile(&mut primary)?;
    compiler.errors.check().map_err(AdminError::invalid)?;

    let mut closure = dynamic::empty("flyteidl.core.CompiledWorkflowClosure");
    closure.put_message("primary", primary);
    let subs = compiler.subs.into_iter().flatten().collect();
    dynamic::put_list(&mut closure, "sub_workflows", subs);
    dynamic::put_list(&mut closure, "tasks", tasks);
    Ok(closure)
}

fn wrap(template: DynamicMessage) -> DynamicMessage {
    let mut compiled = dynamic::empty("flyteidl.core.CompiledWorkflow");
    compiled.put_message("template", template);
    compiled
}

fn interfaces(subs: &[WorkflowTemplate]) -> BTreeMap<String, core::TypedInterface> {
    let of = |sub: &WorkflowTemplate| {
        let interface = sub.interface.clone().unwrap_or_default();
        (text::identifier(sub.id.as_ref()), interface)
    };
    subs.iter().map(of).collect()
}

fn task_text(task: &DynamicMessage) -> String {
    let id = task
        .message("template")
        .and_then(|template| template.message("id"));
    id.map(text::message).unwrap_or_default()
}

impl Compiler {
    fn check_requirements(
        &mut self,
        primary: &WorkflowTemplate,
        subs: &[WorkflowTemplate],
    ) -> Answer<()> {
        let needs = requirements::of(primary, subs, &self.index, &mut self.errors)?;
        for task in needs.tasks {
            let task = text::identifier(Some(&task));
            if !self.tasks.contains_key(&task) {
                let text = format!("Referenced Task [{task}] not found.");
                self.errors.add("TaskReferenceNotFound", START, &text);
            }
        }
        self.errors.check().map_err(AdminError::invalid)
    }

    /// Compiles one workflow in place, and the embedded ones that it uses.
    fn compile(&mut self, workflow: &mut DynamicMessage) -> Answer<()> {
        let Some(template) = workflow.message_mut("template") else {
            return Ok(());
        };
        if template.list("nodes").is_empty() {
            let id = template
                .message("id")
                .map(text::message)
                .unwrap_or_default();
            let text = format!("Can't find any nodes in workflow [{id}].");
            self.errors.add("NoNodesFound", &id, &text);
            return Ok(());
        }
        rewrite::template(template);
        let typed: WorkflowTemplate = dynamic::typed(template)?;
        self.compile_used(&typed)?;
        let connections = self.connect(&typed);
        workflow.put_message(
            "connections",
            dynamic::untyped("flyteidl.core.ConnectionSet", &connections)?,
        );
        Ok(())
    }

    /// Every workflow compiles what it embeds anew, and once.
    fn compile_used(&mut self, template: &WorkflowTemplate) -> Answer<()> {
        let mut used = Vec::new();
        requirements::each_node(template, &mut |node| {
            if let Some(id) = requirements::sub_workflow(node) {
                used.push(text::identifier(Some(id)));
            }
        });
        let mut done = BTreeSet::new();
        for id in used {
            let index = self.index.get(&id).copied();
            let slot = index.and_then(|index| Some((index, self.subs.get_mut(index)?.take()?)));
            let Some((index, mut sub)) = slot else {
                continue;
            };
            if done.insert(index) {
                self.compile(&mut sub)?;
            }
            self.subs[index] = Some(sub);
        }
        Ok(())
    }

    fn task(&self, id: &Identifier) -> Option<&core::TaskTemplate> {
        self.tasks.get(&text::identifier(Some(id)))
    }
}
